/** The tables of faults follow the sources: without `scripts/mutate` itself, which takes an hour. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import type { Fault } from './fault.js';
import { LIB_FAULTS } from './libFaults.js';
import { NATIVE_FAULTS } from './nativeFaults.js';
import { numberOf, placeOf, withChoices, withFault } from './plant.js';
import { compileFaults } from './scratch.js';

const inFolder = temporaryFolder();
const FAULTS = [...LIB_FAULTS, ...NATIVE_FAULTS];
const source = (file: string) => readFileSync(join(packageRoot(), file), 'utf8');

test.each(FAULTS)('$name: its pattern stands once in its file, and its tests are there', (fault) => {
  expect(placeOf(source(fault.file), fault)).toBeGreaterThanOrEqual(0);
  expect(fault.replace).not.toBe(fault.find);
  const missing = fault.tests.filter(
    (test) =>
      ![`native/${test}.cpp`, `${test}.test.ts`, test].some((path) =>
        existsSync(join(packageRoot(), 'test', path)),
      ),
  );
  expect(missing).toEqual([]);
});

test('names are unique', () => {
  expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length);
});

test('each file of lib/ with a fault is still TypeScript, and other JavaScript', () => {
  const compiled = compileFaults(LIB_FAULTS, inFolder('compiled'));
  for (const [{ name, file }, faulty] of compiled) {
    const right = inFolder('compiled', 'dist', file.replace(/\.ts$/, '.js'));
    expect([name, readFileSync(faulty, 'utf8')]).not.toEqual([name, readFileSync(right, 'utf8')]);
  }
});

test('all faults of a file of native/ go into it together, each with a number of its own', () => {
  expect(new Set(NATIVE_FAULTS.map(numberOf)).size).toBe(NATIVE_FAULTS.length);
  for (const file of new Set(NATIVE_FAULTS.map((fault) => fault.file))) {
    const own = NATIVE_FAULTS.filter((fault) => fault.file === file);
    const text = withChoices(source(file), own);
    for (const fault of own) expect(text.split(`margincore::mutant(${numberOf(fault)})`)).toHaveLength(2);
  }
});

/** Not all of C++: what a row that was never compiled gets wrong. */
test.each(NATIVE_FAULTS)('$name: can be chosen at run time: whole statements, or an expression', (fault) => {
  const { find, replace, file } = fault;
  const text = source(file);
  const behind = text.slice(placeOf(text, fault) + find.length).trimStart();
  for (const code of [find, replace]) {
    for (const [open, close] of [
      ['(', ')'],
      ['{', '}'],
      ['[', ']'],
    ] as const)
      expect([code, code.split(open).length]).toEqual([code, code.split(close).length]);
    expect(code).not.toMatch(/^(const|auto|int\d*_t|float|double) /); // nobody would see the name
  }
  if (find.endsWith(';')) {
    expect(replace).toMatch(/(^|[;}])$/);
    expect(behind).not.toMatch(/^else\b/);
  } else {
    for (const code of [find, replace]) expect(code).not.toMatch(/;$|^(if|for|while|return|else)\b/);
    expect(behind).not.toMatch(/^\(/); // a function's name
  }
});

describe('planting', () => {
  const fault = (find: string, replace: string, name = 'some'): Fault => ({
    name,
    what: '',
    file: 'a.h',
    tests: [],
    find,
    replace,
  });

  test.each(['missing', 'twice'])('a pattern that is %s is refused', (find) => {
    expect(() => withFault('twice; twice;', fault(find, ''))).toThrow(
      /some: expected its pattern once in a\.h/,
    );
  });

  test('only the pattern is replaced', () => {
    expect(withFault('a + b; c', fault('a + b', 'a - $&'))).toBe('a - $&; c');
  });

  test('C++ has the right and the wrong: statements and expressions, whatever their order in the table', () => {
    const faults = [fault('free(x);', '', 'leak'), fault('a + b', 'a - b', 'sign')];
    const [leak, sign] = faults.map(numberOf);
    expect(withChoices('x = a + b;\nfree(x);\n', faults)).toBe(
      '#include "base/mutant.h"\n' +
        `x = (::margincore::mutant(${sign}) ? (a - b) : (a + b));\n` +
        `{ if (::margincore::mutant(${leak})) {  } else { free(x); } }\n`,
    );
  });

  test('patterns that overlap are refused', () => {
    const faults = [fault('a + b', '0'), fault('b + c', '0')];
    expect(() => withChoices('a + b + c', faults)).toThrow(/overlaps/);
  });
});
