/** Processes that train together, started by the launchers of both MPIs. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { packageRoot } from '../../lib/base/packageRoot.js';
import type { temporaryFolder } from './temporaryFolder.js';

export const LAUNCHERS = {
  openmpi: ['mpirun.openmpi', '--allow-run-as-root', '--oversubscribe'],
  mpich: ['mpirun.mpich'],
} as const;
export type Launcher = keyof typeof LAUNCHERS;

export const launchers = Object.keys(LAUNCHERS) as Launcher[];
export const isThere = (launcher: Launcher) => spawnSync(LAUNCHERS[launcher][0], ['--version']).status === 0;

export interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly seconds: number;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Run>;
}

/** @param limit Seconds after which it is killed. */
export function start(
  [command, ...rest]: readonly string[],
  limit = 60,
  environment: NodeJS.ProcessEnv = {},
): Started {
  const started = performance.now();
  const child = spawn(command!, rest, {
    timeout: limit * 1000,
    killSignal: 'SIGKILL',
    env: { ...process.env, ...environment },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const ended = new Promise<Run>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output, seconds: (performance.now() - started) / 1000 }));
  });
  return { child, ended };
}

/** Of this machine, whoever started them, that run a script's file. */
export function processesOf(file: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const [program, script] = commandOf(pid);
      return program === process.execPath && script === file;
    })
    .map(Number);
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // it has ended
  }
}

/** Seconds that it took until no process of the script was left. Throws where one is after `limit` seconds. */
export async function untilNoneIsLeft(file: string, limit: number): Promise<number> {
  const started = performance.now();
  for (;;) {
    const left = processesOf(file);
    const seconds = (performance.now() - started) / 1000;
    if (left.length === 0) return seconds;
    if (seconds > limit) throw new Error(`after ${limit} s there are still processes ${left}`);
    await setTimeout(50);
  }
}

/** In which a launcher that has ended must have taken all with it. */
const SECONDS_TO_GO = 10;

/** @param inFolder Of the calling file's tests: scripts are written there, and what each rank says. */
export function ranksIn(inFolder: ReturnType<typeof temporaryFolder>) {
  /** A script that trains on a few images, with `rank` and what is written as JSON for each rank. */
  function script(body: string): string {
    const file = inFolder('script.mjs');
    writeFileSync(
      file,
      `import { writeFileSync } from 'node:fs';
import { batchNorm, conv2d, linear, maxPool2d, relu, sequential, train } from ${JSON.stringify(join(packageRoot(), 'dist/lib/index.mjs'))};
const folder = ${JSON.stringify(inFolder())};
const rank = Number(process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK ?? 0);
const pixels = Uint8Array.from({ length: 60 * 64 }, (_, i) => (i * 7919) % 251);
const images = { data: pixels, shape: [60, 8, 8, 1] };
const data = { images, labels: Int32Array.from({ length: 60 }, (_, i) => i % 3) };
const model = sequential([conv2d({ outChannels: 4, kernelSize: 3 }), relu(), maxPool2d({ kernelSize: 2 }), linear({ outFeatures: 8 })]);
const options = { data, model, head: 'arcface', s: 8, batchSize: 20, epochs: 2, threads: 1,
  device: 'cpu', progress: false };
${body}
`,
    );
    return file;
  }

  /** On this machine; without a launcher it is one process. Throws where one of them is left afterwards. */
  async function run(
    launcher: Launcher | undefined,
    ranks: number,
    file: string,
    environment?: NodeJS.ProcessEnv,
  ): Promise<Run> {
    const launch = launcher === undefined ? [] : [...LAUNCHERS[launcher], '-n', String(ranks)];
    const result = await start([...launch, process.execPath, file], 60, environment).ended;
    await untilNoneIsLeft(file, SECONDS_TO_GO);
    return result;
  }

  async function runWell(...what: Parameters<typeof run>): Promise<void> {
    const { code, output } = await run(...what);
    if (code !== 0) throw new Error(`ended with ${code}: ${output}`);
  }

  const resultOf = (rank: number) => JSON.parse(readFileSync(inFolder(`${rank}.json`), 'utf8'));
  const results = (ranks: number) => Array.from({ length: ranks }, (_, rank) => resultOf(rank));

  return { script, run, runWell, results };
}

export function expectNear(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  for (const [epoch, loss] of found.entries()) expect(loss).toBeCloseTo(expected[epoch]!, 4);
}
