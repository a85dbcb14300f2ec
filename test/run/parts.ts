/** The parts of `scripts/test.sh`: what each runs, what it waits for, and how its result is read. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type Counts, countCTest, countJest, countLastLine } from './counts.js';
import { machine, type Reads } from './unchanged.js';

export interface Part {
  readonly name: string;
  /** Builds and tests go on side by side, one of each at a time. */
  readonly lane: 'build' | 'test';
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** The parts that have to have succeeded. */
  readonly after?: readonly string[];
  /** Why it cannot run on this machine; '' where it can. */
  readonly missing?: () => string;
  /** Lines that say how far it is. */
  readonly progress: RegExp;
  /** How many such lines there will be, where they do not say it. */
  readonly steps?: number;
  /** A file that the run writes, to be read instead of its output. */
  readonly report?: string;
  /** Of tests. */
  readonly count?: (result: string) => Counts;
  /** Where it need not run again while these are the same: of which part that is said, and what it reads. */
  readonly unless?: { readonly passed: string; readonly reads: Reads };
}

const cores = String(availableParallelism());
const simulator = {
  MARGINCORE_CUDA_LIBRARY: `${process.cwd()}/build/sim/libmargincore_cuda_sim.so`,
  MARGINCORE_TESTED_BACKENDS: 'cuda',
  REQUIRE_CUDA: '1',
};

/** `all`: also what takes long. `cudaIsThere`: on a card of this machine, so that every test runs there too. */
export function parts(all: boolean, cudaIsThere: boolean): readonly Part[] {
  const testFiles = readdirSync('dist/test', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.js'))
    .map((file) => `dist/test/${file}`);
  const isSimulation = (file: string) => file.includes('simulatedCuda');
  const onBackends = testFiles.filter((file) => file.includes('/parity/') || isSimulation(file));
  const short: Part[] = [
    build('build', 'cmake --build build'),
    jest(
      'typescript',
      'build/jest.json',
      testFiles.filter((file) => !isSimulation(file)),
      {
        // Without a card CUDA is what the part after this one tests.
        ...{ environment: cudaIsThere ? {} : { MARGINCORE_TESTED_BACKENDS: 'cpu' } },
      },
    ),
    ctest('c++', 'build', ['--label-exclude', 'long'], ['build']),
    jest('typescript-on-simulated-cuda', 'build/jest-simulated.json', onBackends, {
      ...{ environment: simulator, after: ['build'] },
    }),
    gpuCheck(),
  ];
  if (!all) return short;
  const reads = { paths: NATIVE, machine: machine() };
  const unless = (passed: string) => ({ unless: { passed, reads } });
  return [
    ...short,
    { ...ctest('c++-long', 'build', ['--label-regex', 'long'], ['build']), ...unless('c++-long') },
    { ...instructions(), ...unless('instructions') },
    { ...sanitizedBuild(), ...unless('c++-sanitized') },
    { ...ctest('c++-sanitized', 'build/asan', [], ['build-sanitized']), ...unless('c++-sanitized') },
  ];
}

/** All that is compiled into the C++ tests, and what counts instructions. */
const NATIVE = ['CMakeLists.txt', 'native', 'test/native', 'scripts/count-instructions'];

function build(name: string, command: string, after: string[] = []): Part {
  // Tests that run beside it come first.
  const parallel = ['nice', 'bash', '-c', `${command} --parallel ${cores}`];
  return { name, lane: 'build', command: parallel, after, progress: /^\[\d+\/\d+\]/ };
}

/** Everything again, with AddressSanitizer and UndefinedBehaviorSanitizer. */
function sanitizedBuild(): Part {
  const options =
    '-DMARGINCORE_TESTS=ON -DMARGINCORE_SANITIZE=ON -DMARGINCORE_ADDON=OFF -DCMAKE_BUILD_TYPE=RelWithDebInfo';
  return build('build-sanitized', `cmake -S . -B build/asan ${options} && cmake --build build/asan`, [
    'build',
  ]);
}

function ctest(name: string, folder: string, options: string[], after: string[]): Part {
  return {
    ...{ name, lane: 'test', after },
    command: ['ctest', '--test-dir', folder, '--output-on-failure', '--parallel', cores, ...options],
    environment: { UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1' },
    progress: /^ *\d+\/\d+ Test +#/,
    report: `${folder}/Testing/Temporary/LastTest.log`,
    count: countCTest,
  };
}

function jest(name: string, report: string, files: string[], options: Partial<Part>): Part {
  return {
    ...{ name, lane: 'test', report, steps: files.length, progress: /^(PASS|FAIL) / },
    command: ['node_modules/.bin/jest', '--json', `--outputFile=${report}`, '--runTestsByPath', ...files],
    count: (text) => countJest(JSON.parse(text)),
    ...options,
  };
}

/** What scripts/gpu-check does on a machine with a GPU, as far as the other parts have not done it. */
function gpuCheck(): Part {
  const python = process.env.MARGINCORE_PYTHON ?? 'python3';
  const hasNumPy = () => spawnSync(python, ['-c', 'import numpy']).status === 0;
  return {
    ...{ name: 'gpu-check-on-simulated-cuda', lane: 'test', after: ['build'], count: countLastLine },
    missing: () => (hasNumPy() ? '' : `scripts/gpu-check, rehearsed: ${python} has no NumPy`),
    command: ['scripts/gpu-check', 'test', '--again', '--out', 'build/gpu-check', 'trajectories'],
    environment: { MARGINCORE_CUDA_LIBRARY: simulator.MARGINCORE_CUDA_LIBRARY, MARGINCORE_PYTHON: python },
    progress: /^(== |built in)/,
  };
}

/** What our loops on the CPU cost, under valgrind. */
function instructions(): Part {
  return {
    ...{ name: 'instructions', lane: 'test', after: ['build'], count: countLastLine },
    ...{ command: ['scripts/count-instructions'], progress: /^$/ },
  };
}
