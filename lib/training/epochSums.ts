/** What the steps of an epoch come to, so far: plain numbers, so that a checkpoint takes them along. */
import { hasMargin, rampedMargin } from '../heads/margin.js';
import type { NativeHead } from '../native/contract.js';
import type { EpochRecord, StepEvent } from './events.js';

export interface EpochSums {
  steps: number;
  samples: number;
  /** Over the samples */
  loss: number;
  correct: number;
  pastPi: number;
  /** Over the steps */
  learningRate: number;
  gradientNorm: number;
  logitGradientNorm: number;
  milliseconds: number;
  /** Of the last step. */
  last: Pick<StepEvent, 'learningRate' | 'lambda' | 'marginRamp'>;
}

/** A step that was run. */
export interface StepReport {
  readonly event: StepEvent;
  readonly samples: number;
  readonly correct: number;
  readonly pastPi: number;
  readonly milliseconds: number;
}

export const noSteps = (): EpochSums => ({
  ...{ steps: 0, samples: 0, loss: 0, correct: 0, pastPi: 0 },
  ...{ learningRate: 0, gradientNorm: 0, logitGradientNorm: 0, milliseconds: 0 },
  last: { learningRate: 0, lambda: 0, marginRamp: 0 },
});

export function addStep(
  sums: EpochSums,
  { event, samples, correct, pastPi, milliseconds }: StepReport,
): void {
  sums.steps += 1;
  sums.samples += samples;
  sums.loss += event.loss * samples;
  sums.correct += correct;
  sums.pastPi += pastPi;
  sums.learningRate += event.learningRate;
  sums.gradientNorm += event.gradientNorm;
  sums.logitGradientNorm += event.logitGradientNorm;
  sums.milliseconds += milliseconds;
  const { learningRate, lambda, marginRamp } = event;
  sums.last = { learningRate, lambda, marginRamp };
}

/** @param epoch From 0 */
export function recordOf(
  { steps, samples, last, ...sums }: EpochSums,
  epoch: number,
  epochs: number,
  head: NativeHead,
): Omit<EpochRecord, 'head' | 'diagnoses'> {
  return {
    epoch: epoch + 1,
    epochs,
    steps,
    loss: sums.loss / samples,
    accuracy: sums.correct / samples,
    learningRate: last.learningRate,
    meanLearningRate: sums.learningRate / steps,
    ...(hasMargin(head) && { margin: rampedMargin(head, last.marginRamp) }),
    lambda: last.lambda,
    pastPi: sums.pastPi / samples,
    gradientNorm: sums.gradientNorm / steps,
    logitGradientNorm: sums.logitGradientNorm / steps,
    seconds: sums.milliseconds / 1000,
    imagesPerSecond: (samples * 1000) / sums.milliseconds,
  };
}
