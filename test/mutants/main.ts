/** `scripts/mutate`: plants the faults of the tables one at a time, and looks for the test that sees each. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Fault } from './fault.js';
import { LIB_FAULTS } from './libFaults.js';
import { NATIVE_FAULTS } from './nativeFaults.js';
import { CHOSEN } from './plant.js';
import { Results, type Side, writeTable } from './results.js';
import { buildNative, COMPILED, compileFaults, libScratch, nativeScratch, type Scratch } from './scratch.js';
import { doctests, jest, type Suite } from './suites.js';

/** Tests of lib/, where they are most likely to see a fault of it. */
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
  const onCuda = programs.filter(({ name }) => /^margincore_(tests_on_.*cuda.*|cuda_tests.*)$/.test(name));
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
    plant: (fault) => ({ [CHOSEN]: String(NATIVE_FAULTS.indexOf(fault) + 1) }),
    remove: () => {},
  };
}

/** Whatever is not mended by a slow machine: a hang counts as caught. */
const limitFrom = (seconds: number) => 60 + 5 * seconds;

const FIRST_LIMIT = 3600;

/** Seconds of each suite. Throws where a test fails without any fault: nothing could be said then. */
async function expectGreen({ scratch, suites }: Bench, results: Results): Promise<Record<string, number>> {
  const known = results.green(scratch.sources);
  if (known !== undefined) return known;
  const seconds: Record<string, number> = {};
  for (const suite of suites) {
    const verdict = await suite.run({ [CHOSEN]: '0' }, FIRST_LIMIT);
    console.log(
      `without a fault: ${suite.name} ${verdict.failed ?? 'passes'}, ${verdict.seconds.toFixed(0)} s`,
    );
    if (verdict.failed !== undefined)
      throw new Error(`${suite.name} fails without a fault: ${verdict.failed}`);
    seconds[suite.name] = Math.round(verdict.seconds);
  }
  results.setGreen(scratch.sources, seconds);
  return seconds;
}

/** First the tests named in the fault's row, in every suite that has them; then everything. */
async function tryFault(fault: Fault, bench: Bench, green: Record<string, number>, results: Results) {
  const suites = bench.suitesFor(fault);
  const likely = suites
    .map((suite) => ({ suite, only: fault.tests.filter(suite.has) }))
    .filter(({ only }) => only.length > 0);
  const rounds: { suite: Suite; only?: readonly string[] }[] = [
    ...likely,
    ...suites.map((suite) => ({ suite })),
  ];
  const environment = bench.plant(fault);
  let seconds = 0;
  let caught: { caughtBy: string; suite: string } | undefined;
  try {
    for (const { suite, only } of rounds) {
      const verdict = await suite.run(environment, limitFrom(green[suite.name]!), only);
      seconds += verdict.seconds;
      if (verdict.failed === undefined) continue;
      caught = { caughtBy: verdict.failed, suite: suite.name };
      break;
    }
  } finally {
    bench.remove(fault);
  }
  results.add(fault, {
    ...(caught ?? { caughtBy: null, suite: suites.map(({ name }) => name).join(', ') }),
    seconds,
  });
  const outcome = caught ? `caught by ${caught.suite}: ${caught.caughtBy}` : 'SURVIVED';
  console.log(`${fault.name}: ${outcome}, ${seconds.toFixed(0)} s`);
}

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
      return values.again || result === undefined || (values.survivors && result.caughtBy === null);
    });
    if (values.list) {
      for (const fault of faults) {
        const result = results.of(fault);
        const state = result === undefined ? 'not tried' : (result.caughtBy ?? 'SURVIVED');
        console.log(`${fault.name}  ${fault.what}  (${fault.file}): ${state}`);
      }
      continue;
    }
    if (chosen.length === 0) continue;
    const bench = makeBench();
    const green = await expectGreen(bench, results);
    for (const fault of chosen) await tryFault(fault, bench, green, results);
  }
  writeTable(SIDES);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
