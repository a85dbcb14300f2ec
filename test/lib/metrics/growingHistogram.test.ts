/** Counts of values whose range is not known before. */
import { GrowingHistogram } from '../../../lib/metrics/growingHistogram.js';

/** Of some normal distribution, the same each time. */
function normals(count: number, mean: number, std: number): Float32Array {
  let state = 7;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  const draw = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return Float32Array.from({ length: count }, () => mean + std * draw());
}

test.each([
  ['around 0', 0, 1],
  ['far from 0', 1000, 0.01],
  ['large', -3e4, 1e4],
])('every value is in its bin, however they came: %s', (_, mean, std) => {
  const values = normals(5000, mean, std);
  const histogram = new GrowingHistogram(50);
  for (let first = 0; first < values.length; first += 700) histogram.add(values.subarray(first, first + 700));
  const { edges, counts, ...moments } = histogram.result()!;
  expect(counts.length).toBeLessThanOrEqual(50);
  expect(counts.length).toBeGreaterThan(12);
  expect(edges).toHaveLength(counts.length + 1);
  const width = edges[1]! - edges[0]!;
  expect(Number.isInteger(Math.log2(width))).toBe(true);
  for (const [bin, count] of counts.entries()) {
    expect(edges[bin]).toBe(edges[0]! + bin * width);
    expect(count).toBe(values.filter((value) => value >= edges[bin]! && value < edges[bin + 1]!).length);
  }
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(5000);
  expect(counts[0]).toBeGreaterThan(0);
  expect(counts.at(-1)).toBeGreaterThan(0);
  // In two passes of fp64, which is exact to 1e-12 here.
  const exact = values.reduce((sum, value) => sum + value, 0) / 5000;
  const squares = values.reduce((sum, value) => sum + (value - exact) ** 2, 0);
  expect(Math.abs(moments.mean / exact - 1)).toBeLessThan(1e-9);
  expect(Math.abs(moments.std / Math.sqrt(squares / 4999) - 1)).toBeLessThan(1e-9);
});

test('of one value there is one bin; of none there is nothing', () => {
  const histogram = new GrowingHistogram(10);
  expect(histogram.result()).toBeUndefined();
  histogram.add(Float32Array.of(-2.5, -2.5));
  const { edges, counts, mean, std } = histogram.result()!;
  expect([...counts]).toEqual([2]);
  expect(edges[0]).toBe(-2.5);
  expect([mean, std]).toEqual([-2.5, 0]);
});
