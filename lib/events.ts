/** What a training run reports while it goes on. Epochs and steps are counted from 1 here, as they are shown. */

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
  /** L2 norm of the whole gradient. */
  readonly gradientNorm: number;
  /** Fraction of the head's margin in force: 1, or less during `marginWarmup`. */
  readonly marginRamp: number;
}

/** How well a model does on samples with known labels. Never with a margin. */
export interface Scores {
  /** Fraction of the samples whose class is right. */
  readonly accuracy: number;
  /** Mean softmax cross-entropy. */
  readonly loss: number;
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
  /** Time of the training steps alone, without callbacks and validation. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Where `validation` was asked for. */
  readonly validation?: Scores;
}

/** What `onEpoch` receives; the same record is kept in `result.history`. */
export type EpochEvent = EpochRecord;

/** Second argument of `onStep` and `onEpoch`. */
export interface Controls {
  /**
   * Ends training: `train()` resolves with the model so far. The epoch ends after the steps that are already
   * running (about 0.2 seconds of them), with its validation and its `onEpoch`.
   */
  stop(): void;
}
