/** The loop over epochs and steps: what to run next, what happened, and whom to tell. */

import { MarginCoreError } from '../base/errors.js';
import { diagnose } from '../diagnoses/diagnose.js';
import type { RunFacts } from '../diagnoses/facts.js';
import type { ResolvedHead } from '../heads/resolve.js';
import type { Scores } from '../metrics/accuracy.js';
import type { HeadStatistics } from '../metrics/headStatistics.js';
import type { Model } from '../model/model.js';
import {
  type NativeSession,
  type NativeStepsRequest,
  type NativeStepsResult,
  STEP_VALUES,
} from '../native/contract.js';
import { awaitNative } from '../native/load.js';
import type { Schedule } from '../schedules/learningRate.js';
import { type Batching, type RunLength, samplesBefore, samplesOfStep, stepsOfEpoch } from './batching.js';
import { addStep, type EpochSums, noSteps, recordOf, type StepReport } from './epochSums.js';
import type { Controls, EpochRecord } from './events.js';
import type { Observers } from './observer.js';
import type { EpochOrder } from './samplers/epochOrder.js';
import { type StepValues, stepValues } from './stepValues.js';

/** The training images are already with the session. */
export interface TrainPlan extends Batching {
  readonly session: NativeSession;
  /** The session's model, which `onEpoch` is lent and a NON_FINITE error hands over */
  readonly model: Model;
  readonly length: RunLength;
  readonly order: EpochOrder;
  readonly learningRate: Schedule;
  readonly head: ResolvedHead;
  /** What diagnoses rest on, beside the epochs */
  readonly facts: RunFacts;
  /** By which the session knows the samples. */
  readonly numbers: Int32Array;
  readonly signal: AbortSignal | undefined;
  /** Scores of the validation images, where there are any; called after each epoch. */
  readonly validate: (() => Promise<Scores>) | undefined;
  /** Statistics of the head; called after each epoch. */
  readonly measure: () => Promise<HeadStatistics>;
  /** Where to begin, the session being there; default: at the beginning. */
  readonly from?: Progress | undefined;
  readonly keeper?: Keeper | undefined;
  /** What the first of several processes says, in all of them; default: there is only this one. */
  agree?<T>(value: T): Promise<T>;
  /** Tells the others how many steps this process has behind it. */
  reached?(step: number): void;
  /** Throws RANKS_DIFFER where another process has another value. */
  expectSame?(what: Readonly<Record<string, unknown>>): Promise<void>;
  /** Each of several processes has a part of the model: no callback can predict with it. */
  readonly modelIsPartial?: boolean;
  /** Whether no further epoch is worth it. */
  isEnough(history: readonly Omit<EpochRecord, 'diagnoses'>[]): boolean;
  /** Told of steps and epochs. */
  readonly observers: Pick<Observers, 'step' | 'lateStep' | 'epoch'>;
}

const PARTIAL =
  'The classes are sharded among the processes while they train: the model predicts once training has ended (distributed: { head: ' +
  "'replicated' } keeps all of it in each of them)";

/** A call of the addon runs as many steps as fit this time: callbacks, `stop()` and the progress display wait for it. */
const CHUNK_MILLISECONDS = 200;

/** Where a run stands: all of it but the session's own state and what follows from the options. */
export interface Progress {
  /** Epochs that have ended. */
  readonly history: readonly EpochRecord[];
  /** Of the epoch after them. */
  readonly sums: EpochSums;
}

/** Keeps a run, so that it can be resumed. All but the first are awaited, and are called between two steps only. */
export interface Keeper {
  /** How many steps may be run before it is due again; at least 1. @param step Steps of the run so far */
  stepsUntilDue(step: number): number;
  /** Steps were run. */
  stepsDone(progress: Progress): Promise<void>;
  /** An epoch is in the history. @param isWhole Ended neither by `stop()` nor with the run before its last step */
  epochDone(progress: Progress, isWhole: boolean): Promise<void>;
  /** The run ends as it should: a disk that is full then must not cost it its model. */
  finish(progress: Progress): Promise<void>;
  /** The run is broken off here, by whatever cause. */
  save(progress: Progress): Promise<void>;
}

/** One that has the best model as well, where that is wanted. */
export interface BestKeeper extends Keeper {
  /** Gives the session the parameters of the best epoch that was kept; returns that, counted from 1. */
  restoreBest(): Promise<number | undefined>;
}

/**
 * Runs all epochs, or fewer after `controls.stop()` or by early stopping, and returns their records.
 * @throws NON_FINITE where a loss or a gradient is; the parameters are then those before that step.
 * @throws signal.reason once the signal is aborted; whatever a callback throws.
 */
export async function runEpochs(plan: TrainPlan): Promise<EpochRecord[]> {
  const loop = new TrainLoop(plan);
  const { keeper } = plan;
  try {
    while (!loop.isOver) {
      const trained = await loop.runEpoch();
      // Of the rank's own processor: what follows from it is to be the same for all.
      const scores = await plan.validate?.();
      const validation = plan.agree === undefined || scores === undefined ? scores : await plan.agree(scores);
      await loop.endEpoch({
        ...trained,
        head: await plan.measure(),
        ...(validation !== undefined && { validation }),
      });
    }
    if (!loop.isShortened) await keeper?.finish(loop.progress);
    await loop.awaitLeader();
    return loop.history;
  } catch (error) {
    // What an abort or a callback's exception breaks off is kept, if it stands between two steps.
    if (isKeepable(error) && (await loop.isAtStepOfSession())) await keeper?.save(loop.progress);
    throw error;
  }
}

/** Numbers that are no more, and a disk that takes no more, are not to be saved (again). */
const UNKEEPABLE: readonly unknown[] = ['NON_FINITE', 'FILE_NOT_WRITTEN'];
const isKeepable = (error: unknown) => !(error instanceof MarginCoreError && UNKEEPABLE.includes(error.code));

/** Epochs and steps count from 0 here, and from 1 in what is reported. */
class TrainLoop {
  readonly history: EpochRecord[];
  #sums: EpochSums;
  #stopped = false;
  /** By an observer, on a step. */
  #thrown: { readonly error: unknown } | undefined;
  readonly #controls: Controls = {
    stop: () => {
      this.#stopped = true;
    },
  };
  readonly #plan: TrainPlan;
  /** The first step also prepares the backend, so its time says little: it runs alone. */
  #chunkSteps = 1;

  constructor(plan: TrainPlan) {
    this.#plan = plan;
    this.history = (plan.from?.history ?? []).map((record) => ({
      ...record,
      epochs: plan.length.epochs,
    }));
    this.#sums = plan.from === undefined ? noSteps() : { ...plan.from.sums };
  }

  get progress(): Progress {
    return { history: this.history, sums: this.#sums };
  }

  get isOver(): boolean {
    const { length, isEnough } = this.#plan;
    if (this.#sums.steps > 0) return this.#stopped; // an epoch that was begun is ended
    return this.#stopped || this.history.length >= length.epochs || isEnough(this.history);
  }

  /** Whether the last epoch in the history was ended before all of an epoch's steps were run. */
  get isShortened(): boolean {
    const last = this.history.at(-1);
    return last !== undefined && last.steps < this.#plan.length.stepsPerEpoch;
  }

  /** Whether the session has run these very steps, and nothing of a step that was broken off. */
  async isAtStepOfSession(): Promise<boolean> {
    const step = await awaitNative(() => this.#plan.session.step()).catch(() => undefined);
    return step === this.#step;
  }

  /** Steps of the run so far. */
  get #step(): number {
    return this.history.length * this.#plan.length.stepsPerEpoch + this.#sums.steps;
  }

  #stepsOf(epoch: number): number {
    return stepsOfEpoch(this.#plan.length, epoch);
  }

  /** The steps of the epoch that are left. */
  async runEpoch(): Promise<Omit<EpochRecord, 'head' | 'diagnoses'>> {
    const { observers, signal, length, head } = this.#plan;
    const epoch = this.history.length;
    for await (const report of this.#steps(epoch)) {
      addStep(this.#sums, report);
      // What was run is counted and written down, even if nobody else hears of it any more.
      const isLate = signal?.aborted || this.#thrown !== undefined;
      try {
        await (isLate ? observers.lateStep(report.event) : observers.step(report.event, this.#controls));
      } catch (error) {
        this.#thrown ??= { error };
      }
    }
    if (this.#thrown !== undefined) throw this.#thrown.error;
    signal?.throwIfAborted();
    // Whoever resumes goes on with the epoch, if the run is longer then; this one gets the record of a shorter one.
    if (this.#sums.steps < length.stepsPerEpoch) await this.#plan.keeper?.finish(this.progress);
    await this.awaitLeader();
    return recordOf(this.#sums, epoch, length.epochs, head.native);
  }

  /** Rank 0 may have kept the run, which the others take part in while they wait, or have ended. */
  async awaitLeader(): Promise<void> {
    await this.#agree(null);
  }

  async endEpoch(measured: Omit<EpochRecord, 'diagnoses'>): Promise<void> {
    const { length, facts, keeper, isEnough } = this.#plan;
    const { history } = this;
    await this.#expectSameWeights();
    const judge = () => {
      const atEnd = this.#stopped || history.length + 1 === length.epochs || isEnough([...history, measured]);
      return { ...measured, diagnoses: diagnose([...history, measured], facts, atEnd) };
    };
    const wasStopped = this.#stopped;
    const isWhole = this.#sums.steps === length.stepsPerEpoch;
    const record = judge();
    await this.#tellEpoch(record);
    history.push(this.#stopped === wasStopped ? record : judge());
    this.#sums = noSteps();
    await keeper?.epochDone(this.progress, isWhole);
    await this.#agreeToStop();
  }

  /** Ranks compute the head each for itself: on processors that round otherwise they would drift apart unseen. */
  async #expectSameWeights(): Promise<void> {
    const { session, expectSame } = this.#plan;
    if (expectSame === undefined) return;
    const sum = await awaitNative(() => session.parametersChecksum());
    await expectSame({ [`checksum of the weights after step ${this.#step}`]: sum });
  }

  async #agree<T>(value: T): Promise<T> {
    return this.#plan.agree === undefined ? value : this.#plan.agree(value);
  }

  /** Callbacks may differ from process to process, and a clock does. */
  async #agreeToStop(): Promise<void> {
    this.#stopped = await this.#agree(this.#stopped);
  }

  async #tellEpoch(record: EpochRecord): Promise<void> {
    const model = this.#plan.model.lend(this.#plan.modelIsPartial ? PARTIAL : undefined);
    try {
      await this.#plan.observers.epoch(record, { ...this.#controls, model });
    } finally {
      model.dispose();
    }
    this.#plan.signal?.throwIfAborted();
  }

  /** The epoch's steps that are left, each after it was run; none beyond the running chunk once stopped or aborted. */
  async *#steps(epoch: number): AsyncGenerator<StepReport> {
    const order = this.#order(epoch);
    const { keeper, signal } = this.#plan;
    const isBrokenOff = () => signal?.aborted || this.#thrown !== undefined;
    const all = this.#stepsOf(epoch);
    while (this.#sums.steps < all && !this.#stopped && !isBrokenOff()) {
      const first = this.#sums.steps;
      const left = all - first;
      const untilDue = keeper?.stepsUntilDue(this.#step) ?? left;
      const count = await this.#agree(Math.min(this.#chunkSteps, left, untilDue));
      yield* await this.#runChunk(epoch, first, count, order);
      this.#plan.reached?.(this.#step);
      await this.#agreeToStop();
      // At its end the epoch itself is kept, with its record.
      const isWithin = this.#sums.steps < all;
      if (isWithin && !isBrokenOff()) await keeper?.stepsDone(this.progress);
    }
  }

  /** In which the samples of an epoch come. */
  #order(epoch: number): Int32Array {
    const { order, numbers } = this.#plan;
    return order.places(epoch).map((each) => numbers[each]!);
  }

  /** Runs `count` steps of an epoch in one call, beginning with its step `first`. */
  async #runChunk(epoch: number, first: number, count: number, order: Int32Array) {
    const { session, batchSize, length } = this.#plan;
    const before = epoch * length.stepsPerEpoch;
    const values = Array.from({ length: count }, (_, index) =>
      stepValues(this.#plan, before + first + index, length),
    );
    const request = {
      epoch,
      order: order.subarray(samplesBefore(this.#plan, first), samplesBefore(this.#plan, first + count)),
      batchSize,
      values: Float32Array.from(values.flatMap((step) => STEP_VALUES.map((name) => step[name]))),
      ...momentumOf(values),
    };
    const started = performance.now();
    const result = await awaitNative(() => session.runSteps(request));
    const milliseconds = performance.now() - started;
    this.#chunkSteps = chunkSteps(milliseconds / count);
    return this.#reports(epoch, first, values, result, milliseconds / result.steps);
  }

  /** What the native side said of each step. A non-finite value is the last of them. */
  *#reports(
    epoch: number,
    first: number,
    values: readonly StepValues[],
    result: NativeStepsResult,
    milliseconds: number,
  ): Generator<StepReport> {
    const { epochs, steps, stepsPerEpoch } = this.#plan.length;
    for (let index = 0; index < result.steps; index++) {
      const { learningRate, marginRamp, lambda, momentum } = values[index]!;
      const step = epoch * stepsPerEpoch + first + index + 1;
      if (result.nonFinite !== undefined && index === result.steps - 1) {
        throw nonFinite(result.nonFinite, step, learningRate, this.#plan);
      }
      const batch = samplesOfStep(this.#plan, first + index);
      const correct = result.correct[index]!;
      const pastPi = result.pastPi[index]!;
      yield {
        event: {
          step,
          steps,
          epoch: epoch + 1,
          epochs,
          loss: result.loss[index]!,
          accuracy: correct / batch,
          learningRate,
          ...(momentum !== undefined && { momentum }),
          gradientNorm: result.gradientNorm[index]!,
          logitGradientNorm: result.logitGradientNorm[index]!,
          marginRamp,
          lambda,
          pastPi: pastPi / batch,
        },
        samples: batch,
        correct,
        pastPi,
        milliseconds,
      };
    }
  }
}

/** Of each of the steps, where the schedule moves it. */
function momentumOf(values: readonly StepValues[]): Pick<NativeStepsRequest, 'momentum'> {
  const momentum = values.flatMap((step) => step.momentum ?? []);
  return momentum.length === 0 ? {} : { momentum: Float32Array.from(momentum) };
}

/** A power of two, so that the native side seldom meets a longer chunk than before, for which it has to prepare anew. */
function chunkSteps(millisecondsPerStep: number): number {
  return 2 ** Math.max(0, Math.floor(Math.log2(CHUNK_MILLISECONDS / millisecondsPerStep)));
}

function nonFinite(tensor: string, step: number, learningRate: number, plan: TrainPlan): MarginCoreError {
  const { model, head } = plan;
  return new MarginCoreError(
    'NON_FINITE',
    `Training diverged at step ${step}: the ${tensor} became NaN or infinite (learning rate ${learningRate}). ` +
      'That step changed no parameter; error.details.model has the last good ones, and is yours to dispose. ' +
      `Try a lower learningRate${head.native.normalizeFeatures ? ', a longer warm-up, or a smaller scale' : ' or a longer warm-up'}`,
    { details: { diagnosis: 'diverged', tensor, step, learningRate, model } },
  );
}
