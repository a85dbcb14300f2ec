/** Which backends this machine has, and which one a run takes. */

import { existsSync } from 'node:fs';
import { didYouMean } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';
import { text } from '../base/notation.js';
import { integer, option } from '../base/optionTable.js';
import { adviceToBuild, adviceToBuildCuda } from './advice.js';
import type { NativeBackend } from './contract.js';
import { awaitNative, callNative, native } from './load.js';

/**
 * A backend that was looked for, and what it is or why it is not there.
 * @interface
 */
export type BackendInfo = Readonly<NativeBackend>;

/** 'auto' takes CUDA where it works and the CPU otherwise; 'cuda' is 'cuda:0'. */
export type Device = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;

/**
 * Every backend that was looked for, also those that are not available, with the reason. The first call opens their
 * libraries, which blocks: half a second to several with CUDA. (`train()` and `headLoss()` do that in the background.)
 */
export function backends(): BackendInfo[] {
  return callNative(() => native().backends());
}

/** The part of a native configuration that says where to compute. */
export interface Placement {
  readonly backend: BackendInfo;
  readonly deviceIndex: number;
  readonly threads: number;
  /** Why 'auto' did not take the better backend. */
  readonly note?: string;
}

/** The same, as a user names it. */
export const placeNamed = ({ backend, deviceIndex, threads }: Placement) => ({
  device: (backend.name === 'cuda' ? `cuda:${deviceIndex}` : 'cpu') as Device,
  threads,
});

const DEFAULT_THREADS = 'physical cores, within affinity, quota and OMP_NUM_THREADS';

/** Where to compute. */
export const PLACEMENT_OPTIONS = {
  device: option('where to compute', checkDevice, { default: 'auto', notation: text('auto|cpu|cuda[:N]') }),
  threads: integer('threads on the CPU', { defaultText: DEFAULT_THREADS, min: 1, max: 1024 }),
} as const;

function checkDevice(value: unknown, option: string): Device {
  if (typeof value === 'string' && /^(auto|cpu|cuda(:\d+)?)$/.test(value)) return value as Device;
  const hint = typeof value === 'string' ? didYouMean(value, ['auto', 'cpu', 'cuda']) : '';
  throw invalidOption(option, "'auto', 'cpu', 'cuda' or 'cuda:<number>'", value, hint);
}

/**
 * Rejects with DEVICE_UNAVAILABLE and the backend's own reason where the device asked for is not there.
 * @param threads Default: the backend's own choice: on the CPU as many as the process may use.
 */
export async function selectDevice(device: Device, threads?: number): Promise<Placement> {
  const [name, index = '0'] = device.split(':');
  const deviceIndex = Number(index);
  const found = await awaitNative(() => native().findBackends(deviceIndex));
  const place = (backend: BackendInfo) => ({
    backend,
    deviceIndex,
    threads: threads ?? backend.defaultThreads,
  });
  if (device !== 'auto') return place(requireBackend(found, name!));
  const cuda = backendNamed(found, 'cuda');
  if (cuda.available) return place(cuda);
  return {
    ...place(requireBackend(found, 'cpu')),
    note: `Training on the CPU, since CUDA is not available: ${cuda.reason}`,
  };
}

function requireBackend(found: readonly BackendInfo[], name: string): BackendInfo {
  const backend = backendNamed(found, name);
  if (backend.available) return backend;
  const { reason, path } = backend;
  throw new MarginCoreError(
    'DEVICE_UNAVAILABLE',
    [`The backend ${name} is not available: ${reason}`, ...adviceFor(backend)].join('\n'),
    { details: { backend: name, reason, path } },
  );
}

/** Where a build helps: a CPU backend that does not load, a CUDA backend that is not there. */
function adviceFor({ name, path }: BackendInfo): string[] {
  if (name === 'cpu') return [adviceToBuild()];
  const isChosen = process.env.MARGINCORE_CUDA_LIBRARY !== undefined;
  return isChosen || existsSync(path) ? [] : [adviceToBuildCuda()];
}

function backendNamed(found: readonly BackendInfo[], name: string): BackendInfo {
  const absent: BackendInfo = {
    name,
    available: false,
    reason: 'this build of margincore does not have it',
    path: '',
    libraries: '',
    version: '',
    description: '',
    simulated: false,
    devices: 0,
    defaultThreads: 0,
  };
  return found.find((backend) => backend.name === name) ?? absent;
}
