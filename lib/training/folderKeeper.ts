/** Saves a run as it goes on, and the best model of it, in a folder. */

import { isRecord } from '../base/check.js';
import { MarginCoreError } from '../base/errors.js';
import type { CheckpointFolder } from '../files/checkpointFolder.js';
import { usingFile } from '../files/tensorFile.js';
import type { FirstLoss } from '../heads/firstLoss.js';
import { type ModelDescriptor, modelMetadata, readMetadata } from '../model/modelFile.js';
import { loadParameters, parameterTensors } from '../model/weights.js';
import type { NativeSession } from '../native/contract.js';
import type { Environment } from '../native/environment.js';
import type { RunLength } from './batching.js';
import { bestEpoch, type Monitor } from './best.js';
import type { BestKeeper, Progress } from './loop.js';
import type { StepState } from './optimizers.js';
import type { CheckpointEvery } from './options.js';
import type { RunIdentity } from './runIdentity.js';
import type { RunNote } from './runNote.js';
import { runMetadata, stateTensors } from './runState.js';

/** What is saved of a run beside where it stands. */
export interface KeptRun {
  readonly session: NativeSession;
  readonly descriptor: ModelDescriptor;
  readonly stepState: StepState;
  readonly identity: RunIdentity;
  readonly environment: Environment;
  readonly length: RunLength;
  /** Hash of the values of so many steps: see `StepsHash`. */
  stepsHash(steps: number): string;
  firstLoss(): FirstLoss['measured'];
  say(note: RunNote): void;
}

const MINUTE = 60_000;

export class FolderKeeper implements BestKeeper {
  readonly #folder: CheckpointFolder;
  readonly #run: KeptRun;
  readonly #every: CheckpointEvery;
  readonly #kept: number;
  readonly #monitor: Monitor | undefined;
  #savedAt = performance.now();
  /** What was saved last: the same is not saved twice. */
  #saved = '';
  /** The epoch whose model is kept, counted from 1. */
  #best: number | undefined;
  /** Epochs before are not compared: their models are nowhere. */
  #comparedFrom = 0;

  /** @param kept How many checkpoints stay. @param monitor By which the best model is kept, where it is */
  constructor(
    folder: CheckpointFolder,
    run: KeptRun,
    { every, kept, monitor }: { every: CheckpointEvery; kept: number; monitor: Monitor | undefined },
  ) {
    this.#folder = folder;
    this.#run = run;
    this.#every = every;
    this.#kept = kept;
    this.#monitor = monitor;
  }

  /**
   * After a run was resumed. A process may have been killed after it saved the checkpoint of its best epoch and before that
   * epoch's model: the session has it now. Where the best is nowhere, because it was not asked for until now say, epochs are
   * compared from here on.
   */
  async resumed(progress: Progress): Promise<void> {
    this.#saved = positionOf(progress);
    if (this.#monitor === undefined) return;
    const best = bestEpoch(progress.history, this.#monitor);
    if (best === undefined) return;
    const isLast = best === progress.history.length - 1 && progress.sums.steps === 0;
    if (isLast) await this.#keepBest(progress);
    else if ((await keptEpoch(this.#folder.bestPath, this.#monitor)) === best + 1) this.#best = best + 1;
    else this.#comparedFrom = progress.history.length;
  }

  /** A run that begins with its first step: what stands in the folder is another's. */
  async began(): Promise<void> {
    await this.#folder.forgetBest();
  }

  stepsUntilDue(step: number): number {
    const { steps } = this.#every;
    return steps === undefined ? Number.POSITIVE_INFINITY : steps - (step % steps);
  }

  async stepsDone(progress: Progress): Promise<void> {
    const { steps } = this.#every;
    const isDue = steps !== undefined && this.#step(progress) % steps === 0;
    if (isDue || this.#isLate) await this.#trying(() => this.save(progress));
  }

  get #isLate(): boolean {
    const { minutes } = this.#every;
    return minutes !== undefined && performance.now() - this.#savedAt >= minutes * MINUTE;
  }

  /** The checkpoint of a best epoch comes before its model, so that no run is resumed from before its best. */
  async epochDone(progress: Progress, isWhole: boolean): Promise<void> {
    const { epochs, steps } = this.#every;
    const isDue =
      (epochs !== undefined && progress.history.length % epochs === 0) ||
      (steps !== undefined && this.#step(progress) % steps === 0) ||
      this.#isLate;
    if (isWhole && (isDue || this.#isBest(progress))) await this.#trying(() => this.save(progress));
    await this.#trying(() => this.#keepBest(progress));
  }

  async finish(progress: Progress): Promise<void> {
    await this.#trying(() => this.save(progress));
  }

  /** A disk that is full now may not be so at the next checkpoint: the run goes on. */
  async #trying(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!(error instanceof MarginCoreError && error.code === 'FILE_NOT_WRITTEN')) throw error;
      this.#savedAt = performance.now();
      this.#run.say({
        code: 'CHECKPOINT_FAILED',
        message: `A checkpoint was not written: ${error.message}. The run itself is as it should be`,
      });
    }
  }

  async save(progress: Progress): Promise<void> {
    const position = positionOf(progress);
    if (position === this.#saved) return;
    const step = this.#step(progress);
    const { session, descriptor, stepState, environment, firstLoss, stepsHash } = this.#run;
    const identity = { ...this.#run.identity, steps: stepsHash(step) };
    const state = { step, progress, identity, firstLoss: firstLoss(), environment };
    await this.#folder.save(step, this.#kept, stateTensors(session, stepState), {
      ...modelMetadata(descriptor),
      ...runMetadata(state),
    });
    this.#savedAt = performance.now();
    this.#saved = position;
  }

  async restoreBest(): Promise<number | undefined> {
    if (this.#best === undefined) return undefined;
    await usingFile(this.#folder.bestPath, async (file) => {
      await file.verify();
      await loadParameters(this.#run.session, file);
    });
    return this.#best;
  }

  #isBest({ history }: Progress): boolean {
    const compared = history.slice(this.#comparedFrom);
    const best = this.#monitor && bestEpoch(compared, this.#monitor);
    return best !== undefined && best === compared.length - 1;
  }

  async #keepBest(progress: Progress): Promise<void> {
    if (!this.#isBest(progress)) return;
    const { session, descriptor } = this.#run;
    const epoch = progress.history.length;
    const best = { [BEST]: JSON.stringify({ epoch, monitor: this.#monitor }) };
    await this.#folder.saveBest(parameterTensors(session), { ...modelMetadata(descriptor), ...best });
    this.#best = epoch;
  }

  #step({ history, sums }: Progress): number {
    return history.length * this.#run.length.stepsPerEpoch + sums.steps;
  }
}

/** The entry of a best model's metadata that says of which epoch it is, and by which score. */
const BEST = 'best';

/** Undefined where there is no such file, or it is the best by another score. */
async function keptEpoch(path: string, monitor: Monitor): Promise<number | undefined> {
  const best = await usingFile(path, async (file) => readMetadata(file, BEST)).catch(() => undefined);
  return isRecord(best) && best.monitor === monitor ? (best.epoch as number) : undefined;
}

const positionOf = ({ history, sums }: Progress) => `${history.length} epochs, ${sums.steps} steps`;
