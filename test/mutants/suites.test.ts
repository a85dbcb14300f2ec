/** Which tests of a fault's row a program can run. */
import { runsFile } from './suites.js';

test.each([
  ['no choice of its own', [], 'ops/rows_test', true],
  ['a choice of cases', ['--test-case=*parts*'], 'ops/rows_test', true],
  ['a folder', ['--source-file=*/ops/*', '--no-skip'], 'ops/rows_test', true],
  ['another folder', ['--source-file=*/ops/*'], 'nn/head_test', false],
  [
    'one of several files',
    ['--source-file=*/ops/prelu_test.cpp,*/ops/update_test.cpp'],
    'ops/update_test',
    true,
  ],
  ['other files', ['--source-file=*/ops/prelu_test.cpp,*/ops/update_test.cpp'], 'ops/rows_test', false],
])('%s', (_, args, test, runs) => {
  expect(runsFile(['program', ...args], test)).toBe(runs);
});
