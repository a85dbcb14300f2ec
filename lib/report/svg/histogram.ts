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
