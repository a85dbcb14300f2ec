/** Saves a run as it goes on, and the best model of it, in a folder. */

import type { CheckpointFolder } from '../files/checkpointFolder.js';
import { usingFile } from '../files/tensorFile.js';
import type { FirstLoss } from '../heads/firstLoss.js';
import { type ModelDescriptor, modelMetadata } from '../model/modelFile.js';
import { loadParameters, parameterTensors } from '../model/weights.js';
import type { NativeSession } from '../native/contract.js';
import type { Environment } from '../native/environment.js';
import { bestEpoch, type Monitor } from './best.js';
import type { BestKeeper, Progress } from './loop.js';
import type { RunNote } from './notices.js';
import type { CheckpointEvery } from './options.js';
import type { Identity } from './runIdentity.js';
import { runMetadata, stateTensors } from './runState.js';

/** What is saved of a run beside where it stands. */
export interface KeptRun {
  readonly session: NativeSession;
  readonly descriptor: ModelDescriptor;
  /** How many the optimizer keeps of each parameter. */
  readonly moments: number;
  readonly identity: Identity;
  readonly environment: Environment;
  readonly stepsPerEpoch: number;
  firstLoss(): FirstLoss['measured'];
  notes(): readonly RunNote[];
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
   * epoch's model: the session has it now.
   */
  async resumed(progress: Progress): Promise<void> {
    this.#saved = positionOf(progress);
    if (progress.sums.steps === 0) await this.#keepBest(progress);
  }

  stepsUntilDue(step: number): number {
    const { steps } = this.#every;
    return steps === undefined ? Number.POSITIVE_INFINITY : steps - (step % steps);
  }

  async stepsDone(progress: Progress): Promise<void> {
    const { steps, minutes } = this.#every;
    const isDue = steps !== undefined && this.#step(progress) % steps === 0;
    const isLate = minutes !== undefined && performance.now() - this.#savedAt >= minutes * MINUTE;
    if (isDue || isLate) await this.save(progress);
  }

  /** The checkpoint of a best epoch comes before its model, so that no run is resumed from before its best. */
  async epochDone(progress: Progress): Promise<void> {
    const { epochs } = this.#every;
    const isDue = epochs !== undefined && progress.history.length % epochs === 0;
    if (isDue || this.#isBest(progress)) await this.save(progress);
    await this.#keepBest(progress);
  }

  async save(progress: Progress): Promise<void> {
    const position = positionOf(progress);
    if (position === this.#saved) return;
    const step = this.#step(progress);
    const { session, descriptor, moments, identity, environment, firstLoss, notes } = this.#run;
    const state = { step, progress, identity, firstLoss: firstLoss(), notes: notes(), environment };
    await this.#folder.save(step, this.#kept, stateTensors(session, moments), {
      ...modelMetadata(descriptor),
      ...runMetadata(state),
    });
    this.#savedAt = performance.now();
    this.#saved = position;
  }

  async restoreBest(): Promise<void> {
    await usingFile(this.#folder.bestPath, (file) => loadParameters(this.#run.session, file));
  }

  #isBest({ history }: Progress): boolean {
    const { length } = history;
    return this.#monitor !== undefined && length > 0 && bestEpoch(history, this.#monitor) === length - 1;
  }

  async #keepBest(progress: Progress): Promise<void> {
    if (!this.#isBest(progress)) return;
    const { session, descriptor } = this.#run;
    await this.#folder.saveBest(parameterTensors(session), modelMetadata(descriptor));
  }

  #step({ history, sums }: Progress): number {
    return history.length * this.#run.stepsPerEpoch + sums.steps;
  }
}

const positionOf = ({ history, sums }: Progress) => `${history.length} epochs, ${sums.steps} steps`;
