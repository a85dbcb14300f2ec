/** How often values are how large, of values that come a part at a time and whose range is not known before. */

export interface Histogram {
  /** (B + 1), ascending: values of bin b are at least edges[b] and below edges[b + 1]. All bins are as wide, a power of two. */
  readonly edges: Float64Array;
  /** (B): the first and the last are not empty. */
  readonly counts: Float64Array;
  readonly mean: number;
  /** With n − 1; 0 of one value. */
  readonly std: number;
}

/** Of the finest bins: below what charts show. */
const FINEST = 2 ** -20;

/** Bins are made twice as wide whenever values lie in more than `mostBins`: what was counted then is counted as if they always had been. */
export class GrowingHistogram {
  #width = FINEST;
  /** Number of the first bin: it begins at #first · #width. */
  #first = 0;
  #counts = new Float64Array(0);
  #total = 0;
  #mean = 0;
  #squares = 0;

  /** @param mostBins From 2 */
  constructor(readonly mostBins: number) {}

  /** @param values Finite */
  add(values: Float32Array): void {
    for (const value of values) {
      this.#moments(value);
      this.#count(value);
    }
  }

  /** Undefined where nothing was added. */
  result(): Histogram | undefined {
    if (this.#total === 0) return undefined;
    const counts = this.#counts.slice();
    return {
      edges: Float64Array.from({ length: counts.length + 1 }, (_, bin) => (this.#first + bin) * this.#width),
      counts,
      mean: this.#mean,
      std: this.#total > 1 ? Math.sqrt(this.#squares / (this.#total - 1)) : 0,
    };
  }

  /** Welford 1962, "Note on a method for calculating corrected sums of squares and products". */
  #moments(value: number): void {
    this.#total += 1;
    const away = value - this.#mean;
    this.#mean += away / this.#total;
    this.#squares += away * (value - this.#mean);
  }

  #count(value: number): void {
    let bin = Math.floor(value / this.#width);
    const isNew = this.#counts.length === 0;
    while (!isNew && this.#binsWith(bin) > this.mostBins) {
      this.#widen();
      bin = Math.floor(value / this.#width);
    }
    this.#reach(bin, isNew);
    this.#counts[bin - this.#first]! += 1;
  }

  #binsWith(bin: number): number {
    const last = this.#first + this.#counts.length - 1;
    return Math.max(last, bin) - Math.min(this.#first, bin) + 1;
  }

  #widen(): void {
    const first = Math.floor(this.#first / 2);
    const last = Math.floor((this.#first + this.#counts.length - 1) / 2);
    const counts = new Float64Array(last - first + 1);
    for (const [index, count] of this.#counts.entries()) {
      counts[Math.floor((this.#first + index) / 2) - first]! += count;
    }
    this.#width *= 2;
    this.#first = first;
    this.#counts = counts;
  }

  /** Makes room for a bin. */
  #reach(bin: number, isNew: boolean): void {
    const first = isNew ? bin : Math.min(this.#first, bin);
    const length = isNew ? 1 : this.#binsWith(bin);
    if (length === this.#counts.length) return;
    const counts = new Float64Array(length);
    if (!isNew) counts.set(this.#counts, this.#first - first);
    this.#first = first;
    this.#counts = counts;
  }
}
