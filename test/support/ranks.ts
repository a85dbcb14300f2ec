/** Processes that train together on simulated GPUs, one each, as mpirun starts them. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';

export interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly seconds: number;
}

export interface RanksOptions {
  readonly ranks: number;
  /** Its modules are those of the package, `rank` is there, and `answer(value)` writes what `answers` reads. */
  readonly body: string;
  /** By mpirun; else only where there are several. */
  readonly launched?: boolean;
  /** Of mpirun. */
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** In a folder of its own for each test. */
export class SimulatedRanks {
  constructor(private readonly inFolder: (name: string) => string) {}

  run(
    { ranks, body, environment, flags = [], launched = ranks > 1 }: RanksOptions,
    limit = 120,
  ): Promise<Ended> {
    const file = this.inFolder('script.mjs');
    writeFileSync(
      file,
      `import { writeFileSync } from 'node:fs';
import { batchNorm, conv2d, datasets, linear, maxPool2d, models, relu, sequential, train } from ${JSON.stringify(join(packageRoot(), 'dist/lib/index.mjs'))};
const rank = Number(process.env.OMPI_COMM_WORLD_RANK ?? 0);
const answer = (value) => writeFileSync(${JSON.stringify(this.inFolder('answer'))} + rank, JSON.stringify(value));
${body}
`,
    );
    const command = launched
      ? ['mpirun.openmpi', '--allow-run-as-root', '--oversubscribe', ...flags, '-n', String(ranks)]
      : [];
    const [program, ...rest] = [...command, process.execPath, file];
    const started = performance.now();
    const child = spawn(program!, rest, {
      timeout: limit * 1000,
      killSignal: 'SIGKILL',
      env: { ...process.env, ...simulatedGpus(ranks), ...environment },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    return new Promise((resolve) => {
      child.once('close', (code) => resolve({ code, output, seconds: (performance.now() - started) / 1000 }));
    });
  }

  /** What each rank has answered. */
  async answers<T>(options: RanksOptions): Promise<T[]> {
    const { code, output } = await this.run(options);
    if (code !== 0) throw new Error(`ended with ${code}: ${output}`);
    return Array.from({ length: options.ranks }, (_, rank) =>
      JSON.parse(readFileSync(this.inFolder('answer') + rank, 'utf8')),
    );
  }
}

/** So many, of which each process sees all; NCCL is in the simulated device's library. */
const simulatedGpus = (count: number) => ({
  MARGINCORE_SIM_DEVICES: String(count),
  MARGINCORE_NCCL_PATH: process.env.MARGINCORE_CUDA_LIBRARY ?? '',
});
