/** `scripts/mutate`: plants the faults of the tables one at a time, and looks for the test that sees each. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Fault } from './fault.js';
import { LIB_FAULTS } from './libFaults.js';
import { NATIVE_FAULTS } from './nativeFaults.js';
import { CHOSEN, numberOf } from './plant.js';
import { type Result, Results, type Round, type Side, writeTable } from './results.js';
import { buildNative, COMPILED, compileFaults, libScratch, nativeScratch, type Scratch } from './scratch.js';
import { doctests, jest, type Suite } from './suites.js';

const LIB_TESTS = ['lib', 'parity', 'docs'];
/** Tests of lib/ that train. */
const TRAINING_TESTS = ['parity', 'lib/training', 'lib/model', 'lib/heads', 'lib/properties'];

/** A tree in which faults are in force one at a time. */
interface Bench {
  readonly scratch: Scratch;
  /** Every suite of the side, for the run without faults. */
  readonly suites: readonly Suite[];
  /** Those that could see this fault; the likeliest first. */
  suitesFor(fault: Fault): readonly Suite[];
  /** Puts the fault in force for programs started with the environment that is returned. */
  plant(fault: Fault): NodeJS.ProcessEnv;
  remove(fault: Fault): void;
}

const SIDES: readonly { title: string; side: Side; faults: readonly Fault[]; bench(): Bench }[] = [
  { title: 'The facade', side: 'lib', faults: LIB_FAULTS, bench: libBench },
  { title: 'The native core', side: 'native', faults: NATIVE_FAULTS, bench: nativeBench },
];

function libBench(): Bench {
  const scratch = libScratch();
  const compiled = compileFaults(LIB_FAULTS, COMPILED);
  const suites = [jest(scratch.folder, LIB_TESTS)];
  const pristine = join(COMPILED, 'dist');
  const target = ({ file }: Fault) => file.replace(/\.ts$/, '.js');
  return {
    scratch,
    suites,
    suitesFor: () => suites,
    plant(fault) {
      copyFileSync(compiled.get(fault)!, join(scratch.folder, 'dist', target(fault)));
      return {};
    },
    remove(fault) {
      copyFileSync(join(pristine, target(fault)), join(scratch.folder, 'dist', target(fault)));
    },
  };
}

function nativeBench(): Bench {
  const scratch = nativeScratch(NATIVE_FAULTS);
  buildNative(scratch);
  const { folder } = scratch;
  const programs = doctests(folder);
  const onCpu = programs.filter(({ name }) => /^margincore_(tests|cpu_tests)$/.test(name));
  const onCuda = programs.filter(({ name }) => /on_simulated_cuda$/.test(name));
  const training = jest(folder, TRAINING_TESTS);
  const simulated = jest(folder, ['parity', 'lib/simulatedCuda'], {
    MARGINCORE_CUDA_LIBRARY: join(folder, 'build/sim/libmargincore_cuda_sim.so'),
    MARGINCORE_TESTED_BACKENDS: 'cuda',
    REQUIRE_CUDA: '1',
  });
  return {
    scratch,
    suites: [...onCpu, ...onCuda, training, simulated],
    suitesFor: ({ file }) =>
      file.startsWith('native/cuda/') ? [...onCuda, simulated] : [...onCpu, training],
    plant: (fault) => ({ [CHOSEN]: String(numberOf(fault)) }),
    remove: () => {},
  };
}

/** Which tests: first those that the rows name, for all faults; then everything, for what has not been caught by then. */
const ROUNDS: readonly Round[] = ['likely', 'all'];

/** Of what these faults' rows name, the part that a suite has; undefined: all of it. */
function testsOf(faults: readonly Fault[], suite: Suite, round: Round): string[] | undefined {
  if (round === 'all') return undefined;
  return [...new Set(faults.flatMap(({ tests }) => tests.filter(suite.has)))];
}

/** Seconds: far beyond what a slow machine takes. Not to come to an end counts as caught. */
const limitFrom = (seconds: number) => 60 + 5 * seconds;
const LIMIT_WITHOUT_FAULT = 7200;

/** Seconds of each suite that could see one of these faults. Throws where a test fails without any fault: nothing could be said then. */
async function expectGreen(bench: Bench, faults: readonly Fault[], round: Round, results: Results) {
  const needed = [...new Set(faults.flatMap((fault) => bench.suitesFor(fault)))];
  const known = results.green(bench.scratch.sources, round);
  if (known !== undefined && needed.every(({ name }) => name in known)) return known;
  const seconds: Record<string, number> = {};
  for (const suite of needed) {
    const only = testsOf(
      faults.filter((fault) => bench.suitesFor(fault).includes(suite)),
      suite,
      round,
    );
    if (only?.length === 0) continue;
    const verdict = await suite.run({ [CHOSEN]: '0' }, LIMIT_WITHOUT_FAULT, only);
    console.log(
      `without a fault: ${suite.name}, ${round} tests: ${verdict.failed ?? 'passed'}, ${verdict.seconds.toFixed(0)} s`,
    );
    if (verdict.failed !== undefined)
      throw new Error(`${suite.name} fails without a fault: ${verdict.failed}`);
    seconds[suite.name] = Math.round(verdict.seconds);
  }
  results.setGreen(bench.scratch.sources, round, seconds);
  return seconds;
}

/** Returns whether the fault was caught. */
async function tryFault(
  fault: Fault,
  bench: Bench,
  round: Round,
  green: Record<string, number>,
  results: Results,
): Promise<boolean> {
  const suites = bench.suitesFor(fault);
  const environment = bench.plant(fault);
  let seconds = 0;
  try {
    for (const suite of suites) {
      const only = testsOf([fault], suite, round);
      if (only?.length === 0) continue;
      const { failed, seconds: taken } = await suite.run(environment, limitFrom(green[suite.name]!), only);
      seconds += taken;
      if (failed === undefined) continue;
      results.add(fault, { caughtBy: failed, round, suite: suite.name, seconds });
      console.log(`${fault.name}: caught by ${suite.name}: ${failed}, ${seconds.toFixed(0)} s`);
      return true;
    }
  } finally {
    bench.remove(fault);
  }
  results.add(fault, { caughtBy: null, round, suite: suites.map(({ name }) => name).join(', '), seconds });
  const outcome = round === 'all' ? 'SURVIVED' : 'not seen by the tests that its row names';
  console.log(`${fault.name}: ${outcome}, ${seconds.toFixed(0)} s`);
  return false;
}

/** Not tried, or not with all tests. */
const isOpen = (result: Result | undefined) =>
  result === undefined || (result.caughtBy === null && result.round === 'likely');

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      lib: { type: 'boolean' },
      native: { type: 'boolean' },
      only: { type: 'string', multiple: true },
      survivors: { type: 'boolean' },
      again: { type: 'boolean' },
      list: { type: 'boolean' },
    },
  });
  const { only } = values;
  const sides = SIDES.filter(({ side }) => values[side] || !(values.lib || values.native));
  const unknown = only?.filter(
    (name) => !SIDES.some(({ faults }) => faults.some((fault) => fault.name === name)),
  );
  if (unknown?.length) throw new Error(`no fault is named ${unknown.join(', ')}: --list names all`);
  for (const { side, faults, bench: makeBench } of sides) {
    const results = new Results(side);
    const chosen = faults.filter((fault) => {
      if (only) return only.includes(fault.name);
      const result = results.of(fault);
      if (values.again || isOpen(result)) return true;
      return values.survivors && result?.caughtBy === null;
    });
    if (values.list) {
      for (const fault of faults) {
        const result = results.of(fault);
        const state = isOpen(result) ? 'not tried to the end' : (result?.caughtBy ?? 'SURVIVED');
        console.log(`${fault.name}  ${fault.what}  (${fault.file}): ${state}`);
      }
      continue;
    }
    if (chosen.length === 0) continue;
    const bench = makeBench();
    const isResumed = (fault: Fault) => !values.again && !only && results.of(fault)?.round === 'likely';
    const resumed = new Set(chosen.filter(isResumed));
    let left = chosen;
    for (const round of ROUNDS) {
      if (round === 'likely' && left.every((fault) => resumed.has(fault))) continue;
      const green = await expectGreen(bench, left, round, results);
      const uncaught: Fault[] = [];
      for (const fault of left) {
        const goesOn = round === 'likely' && resumed.has(fault);
        if (goesOn || !(await tryFault(fault, bench, round, green, results))) uncaught.push(fault);
      }
      left = uncaught;
      if (left.length === 0) break;
    }
  }
  writeTable(SIDES);
}

// What was started ends with this program (suites.ts), and the next run goes on where it was.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
