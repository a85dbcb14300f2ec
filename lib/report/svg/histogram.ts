/** How angles are distributed, as numbers to draw. */

/** The fraction of the values in each of `bins` equal parts of [0, limit]; a value of `limit` belongs to the last. */
export function histogram(values: Float32Array, bins: number, limit: number): number[] {
  const shares = new Array<number>(bins).fill(0);
  for (const value of values) {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor((value * bins) / limit)));
    shares[bin]! += 1 / values.length;
  }
  return shares;
}

/** Of an even number of values, the mean of the two in the middle. */
export function median(values: Float32Array): number {
  const sorted = values.toSorted();
  const { length } = sorted;
  return (sorted[Math.floor((length - 1) / 2)]! + sorted[Math.floor(length / 2)]!) / 2;
}

/** Round numbers from 0 up to the first that is at least `max`: about four steps of 1, 2 or 5 times a power of ten. */
export function roundTicks(max: number): number[] {
  const rough = max / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough)! * power;
  return Array.from({ length: Math.ceil(max / step) + 1 }, (_, index) => index * step);
}
