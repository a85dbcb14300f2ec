/** Whether a classifier is right as often as it is confident (Guo et al. 2017, "On Calibration of Modern Neural Networks"). */

/** Samples whose confidence, which is the largest probability, is above `from` and at most `to`; of the first bin also 0. */
export interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly samples: number;
  /** Mean of the samples'; 0 without any. */
  readonly confidence: number;
  /** Fraction of the samples whose most probable class is right; 0 without any. */
  readonly accuracy: number;
}

/** Adds confidences up in bins that are all as wide. */
export class Calibrations {
  readonly #samples: Float64Array;
  readonly #right: Float64Array;
  readonly #confidence: Float64Array;

  constructor(readonly bins: number) {
    this.#samples = new Float64Array(bins);
    this.#right = new Float64Array(bins);
    this.#confidence = new Float64Array(bins);
  }

  add(confidence: number, isRight: boolean): void {
    // A largest probability may round to a little more than 1.
    const bin = Math.min(this.bins - 1, Math.max(0, Math.ceil(confidence * this.bins) - 1));
    this.#samples[bin]! += 1;
    this.#confidence[bin]! += confidence;
    if (isRight) this.#right[bin]! += 1;
  }

  result(): { ece: number; reliability: ReliabilityBin[] } {
    const all = this.#samples.reduce((sum, samples) => sum + samples, 0);
    const reliability = Array.from(this.#samples, (samples, bin) => ({
      from: bin / this.bins,
      to: (bin + 1) / this.bins,
      samples,
      confidence: samples === 0 ? 0 : this.#confidence[bin]! / samples,
      accuracy: samples === 0 ? 0 : this.#right[bin]! / samples,
    }));
    const ece = reliability.reduce(
      (sum, { samples, accuracy, confidence }) => sum + (samples / all) * Math.abs(accuracy - confidence),
      0,
    );
    return { ece, reliability };
  }
}
