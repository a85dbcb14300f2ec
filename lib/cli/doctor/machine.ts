/** What this machine has of what margincore needs. Every part answers, whatever the others do. */
import { availableParallelism, cpus } from 'node:os';
import type { MarginCoreError } from '../../base/errors.js';
import { packageVersion } from '../../base/packageRoot.js';
import { datasets } from '../../data/index.js';
import type { BackendInfo } from '../../native/backends.js';
import type { NativeLimits } from '../../native/contract.js';
import { awaitNative, native } from '../../native/load.js';
import { type BuildTool, findBuildTools } from './buildTools.js';
import { findLaunchers, type LauncherState } from './launchers.js';
import type { Trial } from './trial.js';

export interface MachineReport {
  /** The addon loads, and a backend can train. */
  readonly ready: boolean;
  readonly margincore: string;
  readonly node: { readonly version: string; readonly abi: string; readonly nodeApi: string };
  readonly platform: { readonly os: string; readonly cpu: string; readonly logicalCores: number };
  /** Of this process, where the addon loads. */
  readonly limits?: NativeLimits;
  readonly addon: AddonState;
  readonly backends: readonly BackendInfo[];
  readonly launchers: readonly LauncherState[];
  /** By which several processes train on GPUs. */
  readonly nccl: NcclState;
  readonly buildTools: readonly BuildTool[];
  readonly datasets: readonly DatasetState[];
  /** Where they were asked for. */
  readonly trials?: readonly Trial[];
}

export interface AddonState {
  readonly loaded: boolean;
  readonly file?: string;
  readonly version?: string;
  /** Where it was looked for in vain, and why each file did not do. */
  readonly failures?: readonly { readonly file: string; readonly reason: string }[];
}

interface NcclState {
  readonly found: boolean;
  /** Its version and place, or how to get it. */
  readonly detail: string;
}

interface DatasetState {
  readonly name: string;
  readonly found: boolean;
  /** Its size, or why it was not found */
  readonly detail: string;
}

export async function examineMachine(): Promise<MachineReport> {
  const addon = addonState();
  const backends = addon.loaded ? native().backends() : [];
  return {
    ready: backends.some(({ available }) => available),
    margincore: packageVersion(),
    node: {
      version: process.version,
      abi: process.versions.modules,
      nodeApi: process.versions.napi ?? 'none',
    },
    platform: {
      os: `${process.platform} ${process.arch}`,
      cpu: cpus()[0]?.model ?? 'unknown',
      logicalCores: availableParallelism(),
    },
    ...(addon.loaded && { limits: native().processLimits() }),
    addon,
    backends,
    launchers: findLaunchers(addon.file),
    nccl: addon.loaded
      ? await ncclState()
      : { found: false, detail: 'looked for by the addon, which does not load' },
    buildTools: findBuildTools(),
    datasets: [
      await datasetState('fashion-mnist-sample', datasets.fashionMnistSample),
      await datasetState('fashion-mnist', datasets.fashionMnist),
    ],
  };
}

async function ncclState(): Promise<NcclState> {
  const { available, version, text } = await awaitNative(() => native().findNccl());
  return { found: available, detail: available ? `${version}, ${text}` : text };
}

function addonState(): AddonState {
  try {
    const { version } = native();
    // Node keeps what was loaded under its file name.
    const file = Object.keys(require.cache).find((name) => name.endsWith('margincore.node'));
    return { loaded: true, version, ...(file !== undefined && { file }) };
  } catch (error) {
    const { details, message } = error as MarginCoreError;
    const failures = details?.failures as AddonState['failures'];
    return { loaded: false, failures: failures ?? [{ file: 'margincore.node', reason: message }] };
  }
}

/** Where the full data set is not installed, its loader answers with the sample. */
async function datasetState(name: string, load: typeof datasets.fashionMnistSample): Promise<DatasetState> {
  try {
    const { name: loaded, train, test } = await load();
    if (loaded !== name)
      return { name, found: false, detail: 'not installed (Debian: dataset-fashion-mnist)' };
    const detail = `${train.labels.length} training and ${test?.labels.length ?? 0} test images`;
    return { name, found: true, detail };
  } catch (error) {
    return { name, found: false, detail: (error as Error).message };
  }
}
