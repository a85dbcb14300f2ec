/** Histograms of different buckets, made comparable. */
import type { LoggedHistogram } from '../logs/loggedEvent.js';

/** What part of the values lies in each of `count` bins of that width from `first` on; what a bucket has is spread evenly over it. */
export function sharesOf(
  { min, max, limits, counts }: LoggedHistogram,
  first: number,
  width: number,
  count: number,
): number[] {
  const shares = new Array<number>(count).fill(0);
  const total = counts.reduce((sum, each) => sum + each, 0) || 1;
  const binOf = (value: number) => Math.min(count - 1, Math.max(0, Math.floor((value - first) / width)));
  counts.forEach((each, bucket) => {
    const from = Math.max(min, bucket === 0 ? min : limits[bucket - 1]!);
    const to = Math.min(max, limits[bucket]!);
    const [begin, end] = [binOf(from), binOf(to)];
    for (let bin = begin; bin <= end; bin++) {
      const left = Math.max(from, first + bin * width);
      const right = bin === end ? to : first + (bin + 1) * width;
      const part = begin === end ? 1 : Math.max(0, right - left) / (to - from);
      shares[bin]! += (part * each) / total;
    }
  });
  return shares;
}
