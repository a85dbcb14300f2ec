/** The folder of a run, and what of an earlier part of it is there. */
import { MarginCoreError } from '../base/errors.js';
import { type Note, note } from '../base/note.js';
import { CheckpointFolder, lastCheckpoint } from '../files/checkpointFolder.js';
import { corruptFile, type TensorFile, usingFile } from '../files/tensorFile.js';
import { readDescriptor } from '../model/modelFile.js';
import { isOfHead, loadParameters } from '../model/weights.js';
import type { NativeSession } from '../native/contract.js';
import { callNative } from '../native/load.js';
import type { TrainJob } from './job.js';
import type { StepState } from './optimizers.js';
import { expectSameRun, identityOf, type RunIdentity } from './runIdentity.js';
import { loadState, type RunState, readRunState } from './runState.js';

/** A run's folder, which is locked until it is closed. */
export interface OpenFolder {
  /** Undefined where another process keeps the run. */
  readonly folder?: CheckpointFolder;
  readonly identity: RunIdentity;
  /** What to go on from; undefined: from the beginning. */
  readonly from?: Beginning;
  readonly notes: readonly Note[];
}

/** Another beginning than that of the seed. */
export type Beginning =
  | { readonly path: string; readonly state: RunState }
  /** Only the network's parameters; the head is new. */
  | { readonly path: string; readonly state?: undefined; readonly because: string };

/**
 * Undefined where nothing is to be kept. Rejects with CHECKPOINT_EXISTS where a new run would begin beside an old one,
 * CHECKPOINT_MISMATCH where another run is there than the one to be resumed, and what opening and reading reject with.
 */
export async function openRunFolder(job: TrainJob): Promise<OpenFolder | undefined> {
  const { checkpoint } = job.settings;
  if (checkpoint === undefined) return undefined;
  const folder = await CheckpointFolder.open(checkpoint);
  try {
    const identity = await identityOf(job);
    const path = folder.newest;
    if (path === undefined) return { folder, identity, notes: [] };
    if (!job.settings.resume) throw exists(checkpoint, path);
    const from = await usingFile(path, (file) => beginning(file, job, identity));
    return { folder, identity, from, notes: note('RESUMED', describe(from)) };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

/** What a run goes on from that another process keeps, on the same file system. */
export async function followRunFolder(job: TrainJob): Promise<OpenFolder | undefined> {
  const { checkpoint, resume } = job.settings;
  const path = checkpoint === undefined || !resume ? undefined : await lastCheckpoint(checkpoint);
  if (path === undefined) return undefined;
  const identity = await identityOf(job);
  return { identity, from: await usingFile(path, (file) => beginning(file, job, identity)), notes: [] };
}

async function beginning(file: TensorFile, job: TrainJob, wanted: RunIdentity): Promise<Beginning> {
  await file.verify();
  const { path } = file;
  const state = readRunState(file);
  try {
    expectSameRun(path, state.identity, job, wanted, () => stepsOf(path, state, job));
  } catch (error) {
    const isOther = error instanceof MarginCoreError && error.code === 'CHECKPOINT_MISMATCH';
    if (isOther && job.settings.resetHead) return { path, because: error.message };
    throw error;
  }
  expectPlace(path, state, job);
  return { path, state };
}

function describe(from: Beginning): string {
  const { path, state } = from;
  if (state === undefined) {
    return `The network is that of ${path}; the head is new, and the run begins with step 1: ${from.because}`;
  }
  const { history, sums } = state.progress;
  return `Resumed from ${path}: ${state.step} steps (${history.length} epochs and ${sums.steps} steps) are done`;
}

/** As many as its epochs come to. */
function stepsOf(
  path: string,
  { step, progress: { history, sums } }: RunState,
  { length }: TrainJob,
): number {
  const { stepsPerEpoch: perEpoch } = length;
  if (step === history.length * perEpoch + sums.steps && sums.steps <= perEpoch) return step;
  throw corruptFile(
    path,
    `${step} steps are not ${history.length} epochs of ${perEpoch} and ${sums.steps} steps`,
  );
}

/** Where the run stands is where this one could go on. */
function expectPlace(
  path: string,
  { step, progress: { history, sums } }: RunState,
  { settings, length }: TrainJob,
): void {
  if (step <= length.steps) return;
  const begun = history.length + (sums.steps > 0 ? 1 : 0);
  const [where, option, found, expected] =
    settings.steps === undefined
      ? ([`in epoch ${begun}`, 'epochs', begun, settings.epochs] as const)
      : ([`at step ${step}`, 'steps', step, settings.steps] as const);
  throw new MarginCoreError(
    'CHECKPOINT_MISMATCH',
    `${path} is ${where} already, and ${option} is ${expected}`,
    { details: { path, option, found, expected } },
  );
}

/** Fills the session. */
export async function begin(
  session: NativeSession,
  { path, state }: Beginning,
  kept: StepState,
  signal?: AbortSignal,
): Promise<void> {
  await usingFile(path, async (file) => {
    if (state !== undefined) return loadState(session, file, state, kept, signal);
    const network = callNative(() => session.parameters()).filter(({ name }) => !isOfHead(name));
    expectNetwork(file, network);
    return loadParameters(session, file, network, signal);
  });
}

/** Of a head reset, for which options were not compared. */
function expectNetwork(
  file: TensorFile,
  parameters: readonly { name: string; shape: readonly number[] }[],
): void {
  for (const { name, shape } of parameters) {
    const found = file.tensors.get(name)?.shape;
    if (found !== undefined && String(found) === String(shape)) continue;
    const there = found === undefined ? 'is not there' : `has shape [${found.join(', ')}] there`;
    throw new MarginCoreError(
      'CHECKPOINT_MISMATCH',
      `${file.path} is of another network (${readDescriptor(file).network.name}). The tensor '${name}' ${there}, [${shape.join(', ')}] now`,
      { details: { path: file.path, option: 'model', found, expected: shape } },
    );
  }
}

function exists(folder: string, newest: string): MarginCoreError {
  return new MarginCoreError(
    'CHECKPOINT_EXISTS',
    `${folder} already has checkpoints, of which ${newest} is the last: resume: true goes on from there; a new run needs another folder`,
    { details: { path: folder, newest } },
  );
}
