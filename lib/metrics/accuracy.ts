/** Accuracy and cross-entropy of margin-free scores (N, C), row-major. */

/** How well a model does on samples with known labels. Never with a margin. */
export interface Scores {
  /** Fraction of the samples whose class is right. */
  readonly accuracy: number;
  /** Mean softmax cross-entropy. */
  readonly loss: number;
}

/** The class with the largest value in each row; the first of equals. */
export function argmaxRows(values: Float32Array, columns: number): Int32Array {
  const best = new Int32Array(values.length / columns);
  for (let row = 0; row < best.length; row++) {
    best[row] = argmax(values, row * columns, columns);
  }
  return best;
}

/** Adds up scores batch by batch, so that no more than a batch of them is ever held. */
export class ScoreTally {
  #samples = 0;
  #correct = 0;
  #loss = 0;

  /** @param confusion (C, C), row = label, column = prediction: counted in where given. */
  constructor(
    readonly numClasses: number,
    readonly confusion?: Int32Array,
  ) {}

  /** @param scores (N, C) @param labels (N) */
  add(scores: Float32Array, labels: Int32Array): void {
    const { numClasses, confusion } = this;
    labels.forEach((label, row) => {
      const start = row * numClasses;
      const predicted = argmax(scores, start, numClasses);
      if (predicted === label) this.#correct += 1;
      if (confusion) confusion[label * numClasses + predicted]! += 1;
      this.#loss += crossEntropy(scores, start, numClasses, label, scores[start + predicted]!);
    });
    this.#samples += labels.length;
  }

  /** Means over all samples added. */
  result(): Scores {
    return { accuracy: this.#correct / this.#samples, loss: this.#loss / this.#samples };
  }
}

/** Of one row: the column with the largest value; the first of equals. */
export function argmax(values: Float32Array, start: number, columns: number): number {
  let best = 0;
  for (let column = 1; column < columns; column++) {
    if (values[start + column]! > values[start + best]!) best = column;
  }
  return best;
}

/** ln Σ_j e^(z_j) of one row, of which `largest` is the largest. */
export function lnSumExp(scores: Float32Array, start: number, columns: number, largest: number): number {
  let sum = 0;
  for (let column = 0; column < columns; column++) sum += Math.exp(scores[start + column]! - largest);
  return Math.log(sum) + largest;
}

/** ln Σ_j e^(z_j) − z_label. Taken from scores, since the logarithm of a probability that rounded to 0 is lost. */
function crossEntropy(
  scores: Float32Array,
  start: number,
  columns: number,
  label: number,
  largest: number,
): number {
  return lnSumExp(scores, start, columns, largest) - scores[start + label]!;
}
