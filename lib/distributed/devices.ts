/** Which GPU is a process's that shares its machine with other ranks: NCCL wants one for each. */
import { MarginCoreError } from '../base/errors.js';
import type { Device, Placement } from '../native/backends.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Number and count of the ranks on one machine, as launchers say them. */
const LOCAL = [
  { rank: 'OMPI_COMM_WORLD_LOCAL_RANK', size: 'OMPI_COMM_WORLD_LOCAL_SIZE' },
  { rank: 'MPI_LOCALRANKID', size: 'MPI_LOCALNRANKS' },
  { rank: 'SLURM_LOCALID', size: 'SLURM_NTASKS_PER_NODE' },
] as const;

/**
 * What a rank asks for where the user named no GPU: that of its number on the machine, where a launcher lets it see others'
 * as well.
 * @param asked By the user
 * @param found What that is where a process is alone
 * @throws INVALID_OPTION where there are fewer GPUs than ranks on the machine
 */
export function deviceOfRank(asked: Device, { backend }: Placement, environment: Environment): Device {
  if (backend.name !== 'cuda' || asked.includes(':')) return asked;
  const local = LOCAL.find(({ rank }) => /^\d+$/.test(environment[rank] ?? ''));
  const number = local === undefined ? 0 : Number(environment[local.rank]);
  const ranks = local === undefined ? 1 : Number(environment[local.size]) || 1;
  // A launcher that gives each rank a GPU of its own lets it see that one alone.
  const seesOwnAlone = backend.devices === 1 && environment.CUDA_VISIBLE_DEVICES !== undefined;
  if (!seesOwnAlone && ranks > backend.devices)
    throw new MarginCoreError(
      'INVALID_OPTION',
      `distributed: ${ranks} processes on this machine cannot share ${backend.devices === 1 ? 'its GPU' : `its ${backend.devices} GPUs`}: start as many as there are, or take device: 'cpu'`,
      { details: { option: 'device', processes: ranks, devices: backend.devices } },
    );
  return `cuda:${number % backend.devices}`;
}
