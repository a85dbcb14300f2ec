/** Processes that train together on simulated GPUs, one each, as mpirun starts them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { LAUNCHERS, type Run, start } from './ranks.js';

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
  ): Promise<Run> {
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
    const command = launched ? [...LAUNCHERS.openmpi, ...flags, '-n', String(ranks)] : [];
    return start([...command, process.execPath, file], limit, { ...simulatedGpus(ranks), ...environment })
      .ended;
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
