/** What started this process, and as which of how many. */
import { MarginCoreError } from '../base/errors.js';

export const ENGINES = ['openmpi', 'mpich'] as const;
export type Engine = (typeof ENGINES)[number];

export interface Launched {
  readonly engine: Engine;
  /** From 0 */
  readonly rank: number;
  readonly size: number;
}

interface Launcher {
  readonly engine: Engine;
  /** Variables that it sets. */
  readonly rank: string;
  readonly size: string;
}

/** The first whose variables are there. Slurm starts either; which one, its own plugin tells by these. */
const LAUNCHERS: readonly Launcher[] = [
  { engine: 'openmpi', rank: 'OMPI_COMM_WORLD_RANK', size: 'OMPI_COMM_WORLD_SIZE' },
  { engine: 'mpich', rank: 'PMI_RANK', size: 'PMI_SIZE' },
  { engine: 'openmpi', rank: 'PMIX_RANK', size: 'SLURM_NTASKS' },
];

type Environment = Readonly<Record<string, string | undefined>>;

/** Undefined where this process was started alone. */
export function launchedBy(environment: Environment): Launched | undefined {
  for (const { engine, ...names } of LAUNCHERS) {
    const rank = wholeNumber(environment[names.rank]);
    const size = wholeNumber(environment[names.size]);
    if (rank !== undefined && size !== undefined && rank < size) return { engine, rank, size };
  }
  return undefined;
}

/** Whether this process is the one that shows and writes what all have. */
export const isLeadingProcess = () => (launchedBy(process.env)?.rank ?? 0) === 0;

/** Throws INVALID_OPTION where it was. */
export function expectLaunched(environment: Environment): Launched {
  const launched = launchedBy(environment);
  if (launched !== undefined) return launched;
  throw new MarginCoreError(
    'INVALID_OPTION',
    'distributed: this process was started alone. Start as many as there are to be: mpirun -n 4 node program.mjs, or mpirun -n 4 node_modules/.bin/margincore train --distributed …',
    { details: { option: 'distributed' } },
  );
}

const wholeNumber = (text: string | undefined) =>
  text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
