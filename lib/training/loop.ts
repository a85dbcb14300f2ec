/** The loop over epochs and steps: what to run next, what happened, and whom to tell. */

import { MarginCoreError } from '../base/errors.js';
import { diagnose } from '../diagnoses/diagnose.js';
import type { RunFacts } from '../diagnoses/facts.js';
import { hasMargin, rampedMargin } from '../heads/margin.js';
import type { ResolvedHead } from '../heads/resolve.js';
import type { Scores } from '../metrics/accuracy.js';
import type { HeadStatistics } from '../metrics/headStatistics.js';
import type { Model } from '../model/model.js';
import { type NativeSession, type NativeStepsResult, STEP_VALUES } from '../native/contract.js';
import { awaitNative, callNative, native } from '../native/load.js';
import { lambdaAt } from '../schedules/annealing.js';
import { fractionOver } from '../schedules/duration.js';
import { learningRateAt, type Schedule } from '../schedules/learningRate.js';
import { type Batching, samplesOfStep, stepsPerEpoch } from './batching.js';
import type { Controls, EpochRecord, StepEvent } from './events.js';
import type { Observers } from './observer.js';

/** The training images are already with the session. */
export interface TrainPlan extends Batching {
  readonly session: NativeSession;
  /** The session's model, which `onEpoch` is lent and a NON_FINITE error hands over */
  readonly model: Model;
  readonly epochs: number;
  readonly seed: number;
  readonly learningRate: Schedule;
  readonly head: ResolvedHead;
  /** What diagnoses rest on, beside the epochs */
  readonly facts: RunFacts;
  readonly signal: AbortSignal | undefined;
  /** Scores of the validation images, where there are any; called after each epoch. */
  readonly validate: (() => Promise<Scores>) | undefined;
  /** Statistics of the head; called after each epoch. */
  readonly measure: () => Promise<HeadStatistics>;
  /** Told of steps and epochs. */
  readonly observers: Pick<Observers, 'step' | 'epoch'>;
}

/** A call of the addon runs as many steps as fit this time: callbacks, `stop()` and the progress display wait for it. */
const CHUNK_MILLISECONDS = 200;

/**
 * Runs all epochs, or fewer after `controls.stop()`, and returns their records.
 * @throws NON_FINITE where a loss or a gradient is; the parameters are then those before that step.
 * @throws signal.reason once the signal is aborted; whatever a callback throws.
 */
export async function runEpochs(plan: TrainPlan): Promise<EpochRecord[]> {
  const loop = new TrainLoop(plan);
  const history: EpochRecord[] = [];
  for (let epoch = 0; epoch < plan.epochs && !loop.stopped; epoch++) {
    const trained = await loop.runEpoch(epoch);
    const validation = await plan.validate?.();
    const measured = {
      ...trained,
      head: await plan.measure(),
      ...(validation !== undefined && { validation }),
    };
    const judge = () => {
      const atEnd = loop.stopped || epoch + 1 === plan.epochs;
      return { ...measured, diagnoses: diagnose([...history, measured], plan.facts, atEnd) };
    };
    const wasStopped = loop.stopped;
    const record = judge();
    await loop.tellEpoch(record);
    history.push(loop.stopped === wasStopped ? record : judge());
  }
  return history;
}

/** A step that was run. */
interface StepReport {
  readonly event: StepEvent;
  readonly samples: number;
  readonly correct: number;
  readonly pastPi: number;
  readonly milliseconds: number;
}

/** Epochs and steps count from 0 here, and from 1 in what is reported. */
class TrainLoop {
  stopped = false;
  readonly #controls: Controls = {
    stop: () => {
      this.stopped = true;
    },
  };
  readonly #plan: TrainPlan;
  readonly #stepsPerEpoch: number;
  /** The first step also prepares the backend, so its time says little: it runs alone. */
  #chunkSteps = 1;

  constructor(plan: TrainPlan) {
    this.#plan = plan;
    this.#stepsPerEpoch = stepsPerEpoch(plan);
  }

  async runEpoch(epoch: number): Promise<Omit<EpochRecord, 'head' | 'diagnoses'>> {
    const sums = { steps: 0, samples: 0, loss: 0, correct: 0, pastPi: 0, milliseconds: 0, learningRate: 0 };
    const norms = { gradient: 0, logits: 0 };
    let last = { learningRate: 0, lambda: 0, marginRamp: 0 };
    for await (const { event, samples, correct, pastPi, milliseconds } of this.#steps(epoch)) {
      sums.steps += 1;
      sums.samples += samples;
      sums.loss += event.loss * samples;
      sums.correct += correct;
      sums.pastPi += pastPi;
      sums.milliseconds += milliseconds;
      sums.learningRate += event.learningRate;
      norms.gradient += event.gradientNorm;
      norms.logits += event.logitGradientNorm;
      last = event;
      await this.#plan.observers.step(event, this.#controls);
      this.#plan.signal?.throwIfAborted();
    }
    const { native: head } = this.#plan.head;
    return {
      epoch: epoch + 1,
      epochs: this.#plan.epochs,
      steps: sums.steps,
      loss: sums.loss / sums.samples,
      accuracy: sums.correct / sums.samples,
      learningRate: last.learningRate,
      meanLearningRate: sums.learningRate / sums.steps,
      ...(hasMargin(head) && { margin: rampedMargin(head, last.marginRamp) }),
      lambda: last.lambda,
      pastPi: sums.pastPi / sums.samples,
      gradientNorm: norms.gradient / sums.steps,
      logitGradientNorm: norms.logits / sums.steps,
      seconds: sums.milliseconds / 1000,
      imagesPerSecond: (sums.samples * 1000) / sums.milliseconds,
    };
  }

  async tellEpoch(record: EpochRecord): Promise<void> {
    const model = this.#plan.model.lend();
    try {
      await this.#plan.observers.epoch(record, { ...this.#controls, model });
    } finally {
      model.dispose();
    }
    this.#plan.signal?.throwIfAborted();
  }

  /** The epoch's steps, each after it was run; none beyond the running chunk once stopped. */
  async *#steps(epoch: number): AsyncGenerator<StepReport> {
    const { seed, samples } = this.#plan;
    const order = callNative(() => native().permutation(seed, epoch, samples));
    for (let first = 0; first < this.#stepsPerEpoch && !this.stopped; ) {
      const count = Math.min(this.#chunkSteps, this.#stepsPerEpoch - first);
      yield* await this.#runChunk(epoch, first, count, order);
      first += count;
    }
  }

  /** Runs `count` steps of an epoch in one call, beginning with its step `first`. */
  async #runChunk(epoch: number, first: number, count: number, order: Int32Array) {
    const { session, batchSize, signal, samples } = this.#plan;
    const end = first + count === this.#stepsPerEpoch ? samples : (first + count) * batchSize;
    const values = Array.from({ length: count }, (_, index) => this.#values(epoch, first + index));
    const request = {
      epoch,
      order: order.subarray(first * batchSize, end),
      batchSize,
      values: Float32Array.from(values.flatMap((step) => STEP_VALUES.map((name) => step[name]))),
    };
    const started = performance.now();
    const result = await awaitNative(() => session.runSteps(request));
    const milliseconds = performance.now() - started;
    signal?.throwIfAborted();
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
    const { epochs } = this.#plan;
    for (let index = 0; index < result.steps; index++) {
      const { learningRate, marginRamp, lambda } = values[index]!;
      const step = epoch * this.#stepsPerEpoch + first + index + 1;
      if (result.nonFinite !== undefined && index === result.steps - 1) {
        throw nonFinite(result.nonFinite, step, learningRate, this.#plan);
      }
      const batch = samplesOfStep(this.#plan, first + index);
      const correct = result.correct[index]!;
      const pastPi = result.pastPi[index]!;
      yield {
        event: {
          step,
          steps: epochs * this.#stepsPerEpoch,
          epoch: epoch + 1,
          epochs,
          loss: result.loss[index]!,
          accuracy: correct / batch,
          learningRate,
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

  #values(epoch: number, stepOfEpoch: number): StepValues {
    const { epochs, learningRate, head } = this.#plan;
    const position = {
      step: epoch * this.#stepsPerEpoch + stepOfEpoch,
      totalSteps: epochs * this.#stepsPerEpoch,
      stepsPerEpoch: this.#stepsPerEpoch,
    };
    return {
      learningRate: learningRateAt(learningRate, position),
      lambda: lambdaAt(head.lambda, position.step, position.totalSteps),
      marginRamp: fractionOver(head.marginWarmup, position.step, position.totalSteps),
    };
  }
}

type StepValues = Record<(typeof STEP_VALUES)[number], number>;

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
