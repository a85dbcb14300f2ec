/** How many threads a process takes that shares its machine with other ranks. */
import { availableParallelism, cpus } from 'node:os';

/** Of ranks on one machine, as launchers say it. */
const LOCAL_SIZES = ['OMPI_COMM_WORLD_LOCAL_SIZE', 'MPI_LOCALNRANKS', 'SLURM_NTASKS_PER_NODE'];

/**
 * Its part of the machine's cores, but no more than it may use: a launcher may have given it some alone.
 * @param usable That it would take alone
 */
export function threadsOfRank(
  usable: number,
  environment: Readonly<Record<string, string | undefined>>,
): number {
  const local = LOCAL_SIZES.map((name) => Number(environment[name])).find((size) => size > 0) ?? 1;
  const perCore = availableParallelism() / usable; // hyper-threads
  return Math.max(1, Math.min(usable, Math.floor(cpus().length / perCore / local)));
}
