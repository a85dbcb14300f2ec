/** The program behind `npm test` must not miss a failure, nor a skip, and setup.sh must not guess. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { add, countCTest, countJest, countLastLine, settle, summary } from '../run/counts.js';
import { type Part, parts } from '../run/parts.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const counted = (passed: number, failed: number, ...skips: string[]) => ({ passed, failed, skips });

describe('counting of C++ test cases', () => {
  const program = (number: number, output: string, ending = 'Passed', options = '') =>
    `${number}/9 Testing: a program\nCommand: "program"${options}\nOutput:\n${output}\nTest ${ending}.\n`;
  const cases = (passed: number, failed: number, skipped = 0) =>
    `[doctest] test cases: ${passed + failed} | ${passed} passed | ${failed} failed | ${skipped} skipped`;

  test.each([
    ['programs that pass', program(1, cases(12, 0)) + program(2, cases(3, 0)), counted(15, 0)],
    ['cases that fail', program(1, cases(10, 2), 'Failed'), counted(10, 2)],
    ['a crash before the summary', program(1, cases(4, 0)) + program(2, 'boom', 'Failed'), counted(4, 1)],
    ['a program that ends badly after a good summary', program(1, cases(4, 0), 'Failed'), counted(4, 1)],
    ['a test that is no program of ours', program(1, 'fine'), counted(1, 0)],
    ['skips with reasons', program(1, `skipped: no card\n${cases(4, 0, 1)}`), counted(4, 0, 'no card')],
    ['a skip without a reason is a failure', program(1, cases(4, 0, 2)), counted(4, 2)],
    ['a filter', program(1, cases(1, 0, 39), 'Passed', ' "--test-case=*a*" "--no-skip"'), counted(1, 0)],
    [
      'a filter that may hide a skip without a reason',
      program(1, cases(1, 0, 39), 'Passed', ' "--source-file=*a*"'),
      counted(1, 39),
    ],
    [
      'a filter that fits nothing',
      program(1, cases(0, 0, 40), 'Passed', ' "--test-case=*a*" "--no-skip"'),
      counted(0, 1),
    ],
    ['no program', '', counted(0, 0)],
  ])('%s', (_, log, expected) => {
    expect(countCTest(log)).toEqual(expected);
  });
});

test.each([
  ['all passed', 'trajectories: 19 passed, 0 failed\n19 passed, 0 failed\n', counted(19, 0)],
  ['some failed', 'skipped: a\nskipped: b\n7 passed, 2 failed, 2 skipped\n', counted(7, 2, 'a', 'b')],
  ['a skip without a reason', 'skipped: a\n7 passed, 0 failed, 2 skipped\n', counted(7, 1, 'a')],
  ['a build that failed', 'the build failed\n0 passed, 1 failed\n', counted(0, 1)],
  ['a crash', 'Traceback\nJobError: no answer\n', counted(0, 0)],
  ['nothing', '', counted(0, 0)],
])('counting of a last line that sums up: %s', (_, output, expected) => {
  expect(countLastLine(output)).toEqual(expected);
});

test("counting of Jest's tests: a file that cannot be loaded and a skip without a reason are failures", () => {
  const results = (...tests: [status: string, title: string][]) => ({
    assertionResults: tests.map(([status, title]) => ({ status, title })),
  });
  const report = {
    numRuntimeErrorTestSuites: 2,
    testResults: [
      results(['passed', 'a'], ['failed', 'b'], ['pending', 'c (skipped: there is no card)']),
      results(['passed', 'd (skipped: not)'], ['pending', 'e'], ['todo', 'f']),
    ],
  };
  expect(countJest(report)).toEqual(counted(2, 5, 'there is no card'));
});

test.each([
  ['tests pass', 0, counted(5, 0, 'a'), counted(5, 0, 'a')],
  ['tests fail', 1, counted(5, 2), counted(5, 2)],
  ['the runner fails though no test did', 1, counted(5, 0), counted(5, 1)],
  ['nothing ran', 0, counted(0, 0), counted(0, 1)],
  ['all was skipped', 0, counted(0, 0, 'a'), counted(0, 0, 'a')],
])('what is added where %s', (_, status, counts, expected) => {
  expect(settle(status, counts)).toEqual(expected);
});

test('the sum names each reason once, with its number', () => {
  expect(summary(add(counted(1, 0, 'a', 'b'), counted(2, 3, 'a')))).toBe(
    'skipped: 2 × a\nskipped: 1 × b\n3 passed, 3 failed, 3 skipped',
  );
  expect(summary(counted(1, 0))).toBe('1 passed, 0 failed');
});

describe('what is run', () => {
  const names = (all: boolean) => parts(all, false).map(({ name }) => name);
  const jestFiles = (part: Part) => part.command.filter((word) => word.endsWith('.test.js'));

  test('with --all it is all of the rest, and more', () => {
    expect(names(true)).toEqual(expect.arrayContaining(names(false)));
    expect(names(true)).toEqual(expect.arrayContaining(['build-sanitized', 'c++-sanitized', 'instructions']));
  });

  test('parts wait only for parts before them, and every test part can be counted', () => {
    for (const [place, { after = [], lane, count }] of parts(true, false).entries()) {
      expect(names(true).slice(0, place)).toEqual(expect.arrayContaining([...after]));
      expect(count !== undefined).toBe(lane === 'test');
    }
  });

  test('every test file runs, on a card or a simulated one where it compares backends', () => {
    const [here, simulated] = parts(false, false).filter(({ name }) => name.startsWith('typescript'));
    expect(jestFiles(here!)).toContain('dist/test/package/scripts.test.js');
    expect(jestFiles(simulated!)).toContain('dist/test/parity/heads.test.js');
    expect(new Set([...jestFiles(here!), ...jestFiles(simulated!)])).toContain(
      'dist/test/lib/simulatedCuda.test.js',
    );
    expect(here!.environment).toEqual({ MARGINCORE_TESTED_BACKENDS: 'cpu' });
    expect(parts(false, true).find(({ name }) => name === 'typescript')!.environment).toEqual({});
  });
});

describe('a run of parts', () => {
  const inFolder = temporaryFolder();

  /** In a folder of its own: the parts, as shell commands, and what is printed and left behind. */
  function run(...chosen: (Partial<Part> & { name: string; shell: string })[]) {
    const root = inFolder('run');
    mkdirSync(root, { recursive: true });
    const program = `
      const { runAll } = require(${JSON.stringify(join(packageRoot(), 'dist/test/run/runner.js'))});
      const { countLastLine } = require(${JSON.stringify(join(packageRoot(), 'dist/test/run/counts.js'))});
      const again = ${JSON.stringify(chosen.every(({ unless }) => unless === undefined))};
      const parts = ${JSON.stringify(chosen)}.map(({ shell, ...part }) => ({
        lane: 'test', progress: /step/, count: part.lane === 'build' ? undefined : countLastLine,
        ...part, command: ['bash', '-c', shell],
      }));
      runAll(parts, again).then((counts) => console.log(JSON.stringify(counts)));`;
    writeFileSync(join(root, 'run.cjs'), program);
    const { stdout } = spawnSync(process.execPath, ['run.cjs'], { cwd: root, encoding: 'utf8' });
    const log = (name: string) => readFileSync(join(root, 'build/logs', `${name}.log`), 'utf8');
    return { stdout, counts: JSON.parse(stdout.trimEnd().split('\n').at(-1)!), log };
  }

  test('says how far it is, keeps what was printed, and adds up', () => {
    const { stdout, counts, log } = run(
      { name: 'one', steps: 2, shell: 'echo step a; echo other; echo step b; echo 2 passed, 0 failed' },
      { name: 'two', shell: 'echo 3 passed, 0 failed' },
    );
    expect(counts).toEqual(counted(5, 0));
    expect(stdout).toMatch(/^\[00:0\d\] one 1\/2 step a$/m);
    expect(stdout).toMatch(/^\[00:0\d\] one: 2 passed, 0 failed, \d s$/m);
    expect(stdout).not.toContain('other');
    expect(log('one')).toBe('step a\nother\nstep b\n2 passed, 0 failed\n');
  });

  test('tests go on while the next build does; a build that fails fails what needs it, and is shown', () => {
    const { stdout, counts } = run(
      { name: 'build', lane: 'build', shell: 'sleep 1; echo broken >&2; exit 1' },
      { name: 'independent', shell: 'echo 1 passed, 0 failed' },
      { name: 'dependent', after: ['build'], shell: 'echo 9 passed, 0 failed' },
    );
    expect(counts).toEqual(counted(1, 2));
    expect(stdout.indexOf('independent: 1 passed')).toBeLessThan(stdout.indexOf('build: failed'));
    expect(stdout).toMatch(/^broken$/m);
    expect(stdout).toContain('dependent: not run, because what it needs failed');
  });

  describe('that take long and read little', () => {
    const reads = { paths: ['sources'], machine: 'this one' };
    const part = (shell: string, machine = reads.machine) =>
      run({ name: 'long', shell, unless: { passed: 'long', reads: { ...reads, machine } } }).counts;
    const source = (name: string, text: string) => {
      mkdirSync(inFolder('run/sources/inner'), { recursive: true });
      writeFileSync(inFolder(`run/sources/${name}`), text);
    };

    beforeEach(() => {
      mkdirSync(inFolder('run/.ci'), { recursive: true });
      source('inner/one', 'a');
    });

    test('what has passed is not run again, and says so, until something that it reads is another', () => {
      const again = () => part('echo 2 passed, 0 failed');
      expect(part('echo 5 passed, 0 failed')).toEqual(counted(5, 0));
      const today = new Date().toISOString().slice(0, 10);
      expect(part('exit 1')).toEqual(
        counted(0, 0, `long: 5 tests passed on ${today} with the same sources, compiler and processor`),
      );
      source('inner/one', 'b');
      expect(again()).toEqual(counted(2, 0));
      source('inner/two', 'a');
      expect(again()).toEqual(counted(2, 0));
      renameSync(inFolder('run/sources/inner/two'), inFolder('run/sources/two'));
      expect(again()).toEqual(counted(2, 0));
      expect(part('echo 1 passed, 0 failed', 'another machine')).toEqual(counted(1, 0));
      expect(part('exit 1', 'another machine').failed).toBe(0);
    });

    test('what has failed, or of which nothing ran, is run again', () => {
      expect(part('echo 5 passed, 1 failed; exit 1').failed).toBe(1);
      expect(part('echo skipped: no card; echo 0 passed, 0 failed, 1 skipped')).toEqual(
        counted(0, 0, 'no card'),
      );
      expect(part('echo 5 passed, 0 failed')).toEqual(counted(5, 0));
    });

    test('it is the whole of what is compiled into the C++ tests, and the programs that look at it', () => {
      const long = parts(true, false).filter(({ unless }) => unless !== undefined);
      expect(long.map(({ name }) => name)).toEqual([
        'c++-long',
        'instructions',
        'build-sanitized',
        'c++-sanitized',
      ]);
      for (const { unless } of long) {
        expect(unless!.reads.paths).toEqual(
          expect.arrayContaining(['CMakeLists.txt', 'native', 'test/native']),
        );
        expect(unless!.reads.machine).toMatch(/\d+\.\d+\.\d+.*x64/);
      }
    });
  });

  test('a report that is not there is a failure, also where an older one was', () => {
    const { counts } = run(
      { name: 'old', report: 'run.cjs', shell: 'exit 0' },
      { name: 'crash', shell: 'kill -9 $$' },
    );
    expect(counts).toEqual(counted(0, 2));
  });
});

test.each(['--test', '--ALL'])('test.sh refuses what it does not know: %s', (word) => {
  const { status, stderr } = spawnSync('bash', [join(packageRoot(), 'scripts/test.sh'), word], {
    encoding: 'utf8',
  });
  expect(status).toBe(2);
  expect(stderr).toContain(`${word} is none of: --all, build, typescript, c++`);
});

test.each([0, 3])('setup.sh leaves no process behind that says how far a step is: status %i', (status) => {
  const functions = /^with_progress\(\) \{.*?(?=^# --- )/ms.exec(
    readFileSync(join(packageRoot(), 'scripts/setup.sh'), 'utf8'),
  )![0];
  const script = `set -euo pipefail\nlog=/dev/null\n${functions}\nwork() { sleep 0.3; return ${status}; }\nwith_progress work`;
  // In a group of its own: what is left of it can be asked for.
  const ended = spawnSync('setsid', ['bash', '-c', script], { encoding: 'utf8' });
  expect(ended).toMatchObject({ status, stdout: '', stderr: '' });
  expect(() => process.kill(-ended.pid, 0)).toThrow('ESRCH');
});

test('setup.sh refuses what it does not know', () => {
  const { status, stderr } = spawnSync('bash', [join(packageRoot(), 'scripts/setup.sh'), '--test'], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 2, stderr: 'usage: scripts/setup.sh [--tests]\n' });
});
