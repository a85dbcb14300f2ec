/** What the classes of a sample's nearest neighbours tell: its class by their vote, and how many of its own come first. */

export interface NeighbourScores {
  /** Fraction of the samples whose class is that of most of the k nearest. */
  readonly knn: readonly { readonly k: number; readonly accuracy: number }[];
  /** Samples without another of their class among the references: no neighbour can be right, and the three below leave them out. */
  readonly lone: number;
  /** Fraction whose nearest is of their class: recall@1 and precision@1. Undefined where all are lone. */
  readonly rank1: number | undefined;
  /** Mean share of the own class among the R nearest, where R is how many others of the class there are. Undefined where all are lone. */
  readonly rPrecision: number | undefined;
  /**
   * Mean average precision at R (Musgrave et al. 2020, "A Metric Learning Reality Check"): the mean of (1/R)·Σ P(i) over the places
   * i ≤ R that the own class has, where P(i) is its share among the first i. Undefined where all are lone.
   */
  readonly mapAtR: number | undefined;
}

/** Adds up sample by sample. */
export class NeighbourTally {
  readonly #right: Float64Array;
  /** (numClasses): zeros but while neighbours vote */
  readonly #votes: Int32Array;
  #samples = 0;
  #lone = 0;
  #rank1 = 0;
  #rPrecision = 0;
  #mapAtR = 0;

  constructor(
    readonly ranks: readonly number[],
    readonly numClasses: number,
  ) {
    this.#right = new Float64Array(ranks.length);
    this.#votes = new Int32Array(numClasses);
  }

  /**
   * @param classes Of the neighbours, the nearest first: as many as k or R at least, or all that have a direction.
   * @param relevant References of the sample's class other than itself
   */
  add(label: number, classes: Int32Array, relevant: number): void {
    this.#samples += 1;
    for (const [index, k] of this.ranks.entries()) {
      if (this.#elected(classes.subarray(0, k)) === label) this.#right[index]! += 1;
    }
    if (relevant === 0) {
      this.#lone += 1;
      return;
    }
    let right = 0;
    let precisions = 0;
    for (let place = 0; place < Math.min(relevant, classes.length); place++) {
      if (classes[place] !== label) continue;
      right += 1;
      precisions += right / (place + 1);
    }
    if (classes[0] === label) this.#rank1 += 1;
    this.#rPrecision += right / relevant;
    this.#mapAtR += precisions / relevant;
  }

  /** Of classes with as many votes that of the nearest neighbour; undefined without neighbours. */
  #elected(classes: Int32Array): number | undefined {
    for (const label of classes) this.#votes[label]! += 1;
    let best: number | undefined;
    for (const label of classes) {
      if (best === undefined || this.#votes[label]! > this.#votes[best]!) best = label;
    }
    for (const label of classes) this.#votes[label] = 0;
    return best;
  }

  result(): NeighbourScores {
    const counted = this.#samples - this.#lone;
    const mean = (sum: number) => (counted === 0 ? undefined : sum / counted);
    return {
      knn: this.ranks.map((k, index) => ({ k, accuracy: this.#right[index]! / this.#samples })),
      lone: this.#lone,
      rank1: mean(this.#rank1),
      rPrecision: mean(this.#rPrecision),
      mapAtR: mean(this.#mapAtR),
    };
  }
}
