import { packageVersion } from '../base/packageRoot.js';
import type { BackendInfo } from './backends.js';
import type { NativeDevice, NativeMemoryPlan } from './contract.js';
import { native } from './load.js';

/**
 * Bytes of device memory that training takes, by purpose.
 * @interface
 */
export type MemoryPlan = Readonly<NativeMemoryPlan>;

/** What computed a result, for reports and for comparing runs. */
export interface Environment {
  /** Version of this package */
  readonly margincore: string;
  readonly node: string;
  /** 'cpu' or 'cuda' */
  readonly backend: string;
  /** 'cpu', 'cuda:0' */
  readonly device: string;
  /** Card or instruction set, e.g. 'x86-64-v4' */
  readonly description: string;
  /** File of the backend */
  readonly pluginPath: string;
  /** Of the addon, and of the backend with its libraries */
  readonly versions: { readonly addon: string; readonly backend: string };
  readonly threads: number;
  /** Computed by a simulator of the device: right numbers, meaningless times. */
  readonly simulated: boolean;
  readonly memory: MemoryPlan;
}

export function describeEnvironment(
  { name: backend, path }: BackendInfo,
  { device, version, description, simulated, threads }: NativeDevice,
  memory: MemoryPlan,
): Environment {
  return {
    margincore: packageVersion(),
    node: process.version,
    backend,
    device,
    description,
    pluginPath: path,
    versions: { addon: native().version, backend: version },
    threads,
    simulated,
    memory,
  };
}
