/** The scripts behind `npm test` must not miss a failure. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const inFolder = temporaryFolder();

/** Runs shell code in which the functions of scripts/test.sh are known. */
function shell(code: string): string {
  const { stdout } = spawnSync(
    'bash',
    ['-c', `source "$1"\n${code}`, 'bash', join(packageRoot(), 'scripts/test.sh')],
    {
      encoding: 'utf8',
    },
  );
  return stdout.trim();
}

const summary = (passed: number, failed: number, skipped = 0) =>
  `[doctest] test cases: ${passed + failed} | ${passed} passed | ${failed} failed | ${skipped} skipped\n`;

describe('counting of C++ test cases, passed, failed and skipped', () => {
  test.each([
    ['programs that pass', `${summary(12, 0)}Test Passed.\n${summary(3, 0, 2)}Test Passed.\n`, '15 0 2'],
    ['cases that fail', `${summary(10, 2)}Test Failed.\n`, '10 2 0'],
    [
      'a program that crashes before its summary',
      `${summary(4, 0)}Test Passed.\nboom\nTest Failed.\n`,
      '4 1 0',
    ],
    ['a program that ends badly after a good summary', `${summary(4, 0)}Test Failed.\n`, '4 1 0'],
    ['no program', '', '0 0 0'],
  ])('%s', (_, log, expected) => {
    writeFileSync(inFolder('LastTest.log'), log);
    expect(shell(`count_doctest_cases "${inFolder('LastTest.log')}"`)).toBe(expected);
  });

  test('no log', () => {
    expect(shell(`count_doctest_cases "${inFolder('LastTest.log')}"`)).toBe('0 0 0');
  });
});

test.each([
  ['all passed', 'trajectories: 19 passed, 0 failed\n19 passed, 0 failed\n', '19 0 0'],
  ['some failed', '7 passed, 2 failed, 3 skipped\n', '7 2 3'],
  ['a build that failed', 'the build failed\n0 passed, 1 failed\n', '0 1 0'],
  ['a crash', 'Traceback\nJobError: no answer\n', '0 0 0'],
])('counting of a last line that sums up: %s', (_, log, expected) => {
  writeFileSync(inFolder('summary.log'), log);
  expect(shell(`count_summary "${inFolder('summary.log')}"`)).toBe(expected);
});

test("counting of Jest's tests: a file that cannot be loaded is a failure", () => {
  const report = {
    numPassedTests: 7,
    numFailedTests: 1,
    numRuntimeErrorTestSuites: 2,
    numPendingTests: 3,
    numTodoTests: 1,
  };
  writeFileSync(inFolder('jest.json'), JSON.stringify(report));
  expect(shell(`count_jest_tests "${inFolder('jest.json')}"`)).toBe('7 3 4');
});

test.each([
  ['tests pass', '0 5 0 1', '5 0 1'],
  ['tests fail', '1 5 2 0', '5 2 0'],
  ['the runner fails though no test did', '1 5 0 0', '5 1 0'],
  ['nothing ran', '0 0 0 0', '0 1 0'],
])('what is added where %s', (_, statusAndCounts, expected) => {
  expect(shell(`count ${statusAndCounts}; echo $passed $failed $skipped`)).toBe(expected);
});

test('setup.sh refuses what it does not know', () => {
  const { status, stderr } = spawnSync('bash', [join(packageRoot(), 'scripts/setup.sh'), '--test'], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 2, stderr: 'usage: scripts/setup.sh [--tests]\n' });
});
