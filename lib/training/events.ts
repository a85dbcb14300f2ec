/** What a training run reports while it goes on. Epochs and steps are counted from 1 here, as they are shown. */

import type { Diagnosis } from '../diagnoses/diagnosis.js';
import type { Margin } from '../heads/margin.js';
import type { Scores } from '../metrics/accuracy.js';
import type { HeadStatistics } from '../metrics/headStatistics.js';
import type { Model } from '../model/model.js';

/** One update of the parameters. */
export interface StepEvent {
  /** 1 … steps, over the whole run */
  readonly step: number;
  readonly steps: number;
  /** 1 … epochs */
  readonly epoch: number;
  readonly epochs: number;
  /** Mean over the batch, with the margin, as trained. */
  readonly loss: number;
  /** Fraction of the batch whose class is right by the margin-free score. */
  readonly accuracy: number;
  readonly learningRate: number;
  /** SGD's momentum, or Adam's beta1, where the schedule of the rate moves it (`schedules.oneCycle`). */
  readonly momentum?: number;
  /** L2 norm of the whole gradient, before `clipGradients`. */
  readonly gradientNorm: number;
  /** L2 norm of the loss's gradient in the logits of the batch: what the head sends back. */
  readonly logitGradientNorm: number;
  /** Fraction of the head's margin in force: 1, or less during `marginWarmup`. */
  readonly marginRamp: number;
  /** The target logit is (λ·plain + with margin)/(1 + λ); 0 for heads without `lambda`. */
  readonly lambda: number;
  /** Fraction of the batch whose angle with margin, m1·θ + m2, lies beyond π. */
  readonly pastPi: number;
}

/** One pass over the training images. */
export interface EpochRecord {
  /** 1 … epochs */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps of this epoch that were run: fewer than an epoch has after `controls.stop()`. */
  readonly steps: number;
  /** Mean over the epoch's samples, with the margin, as trained. */
  readonly loss: number;
  /** Fraction of the epoch's samples whose class was right by the margin-free score, when they were trained on. */
  readonly accuracy: number;
  /** At the epoch's last step. */
  readonly learningRate: number;
  /** Over the epoch's steps. */
  readonly meanLearningRate: number;
  /** Of heads with a margin, at the epoch's last step: ψ(m1·θ + m2) − m3 takes the place of cosθ. */
  readonly margin?: Margin;
  /** At the epoch's last step; 0 for heads without `lambda`. */
  readonly lambda: number;
  /** Fraction of the epoch's samples whose angle with margin, m1·θ + m2, lay beyond π. */
  readonly pastPi: number;
  /** Means over the epoch's steps. */
  readonly gradientNorm: number;
  readonly logitGradientNorm: number;
  /** Of some hundred training images, after the epoch's last step. */
  readonly head: HeadStatistics;
  /** What goes wrong, where something does. */
  readonly diagnoses: readonly Diagnosis[];
  /** Time of the training steps alone, without callbacks and validation. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Where `validation` was asked for. */
  readonly validation?: Scores;
}

/**
 * What `onEpoch` receives; the same record is kept in `result.history`. Where `onEpoch` itself stops the run, the record
 * there has the diagnoses of a last epoch, which are more.
 */
export type EpochEvent = EpochRecord;

/** Second argument of `onStep` and `onEpoch`. */
export interface Controls {
  /**
   * Ends training: `train()` resolves with the model so far. The epoch ends after the steps that are already
   * running (about 0.2 seconds of them), with its validation and its `onEpoch`.
   */
  stop(): void;
}

/** Second argument of `onEpoch`. */
export interface EpochControls extends Controls {
  /**
   * The model as it is after this epoch, to predict, embed and evaluate with. It is lent: once the callback has ended its
   * methods throw DISPOSED, and so do calls that the callback did not await, which ends a process that catches nothing; its
   * `dispose()` ends the loan alone. The abort of the run rejects with its reason here as well. What the model does
   * leaves training as it is, bit by bit.
   */
  readonly model: Model;
}
