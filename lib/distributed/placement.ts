/** Where a process computes that shares its machine with other ranks. */
import { type Device, type Placement, selectDevice } from '../native/backends.js';
import { deviceOfRank } from './devices.js';
import { threadsOfRank } from './threads.js';

/**
 * On a GPU of its own, and on its part of the cores, where the user named none. Rejects with DEVICE_UNAVAILABLE, and with
 * INVALID_OPTION where there are fewer GPUs than ranks.
 */
export async function placementOfRank(device: Device, threads: number | undefined): Promise<Placement> {
  const alone = await selectDevice(device, threads);
  const own = deviceOfRank(device, alone, process.env);
  const placement = own === device ? alone : await selectDevice(own, threads);
  return threads === undefined
    ? { ...placement, threads: threadsOfRank(placement.threads, process.env) }
    : placement;
}
