/** Small inputs of `headLoss`, as matrices for textbook formulas and as the arrays it takes. */
import { type HeadLossInputs, type HeadLossOptions, type HeadLossResult, headLoss } from '../../lib/index.js';
import type { Matrix } from './textbookHead.js';

export const N = 7;
export const C = 5;
export const D = 6;

/** Numbers without a pattern, the same in every run, in (−1, 1). */
export const matrix = (rows: number, columns: number, offset: number) =>
  Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) => Math.fround(Math.sin(12.9898 * (i * columns + j) + offset))),
  );

export const floats = (rows: Matrix) => Float32Array.from(rows.flat());

export const features = matrix(N, D, 1);
export const weights = matrix(C, D, 2);
export const bias = matrix(1, C, 3)[0]!;
export const centers = matrix(C, D, 4);
export const labels = Array.from({ length: N }, (_, i) => (3 * i) % C);

export const inputs = {
  features: floats(features),
  weights: floats(weights),
  labels: Int32Array.from(labels),
  numClasses: C,
  embeddingSize: D,
} satisfies HeadLossInputs;
export const BIASED = { bias: Float32Array.from(bias) };
export const CENTERED = { centers: floats(centers) };

/** Options as a JavaScript caller may write them. */
export function lossOf(options: Record<string, unknown>): Promise<HeadLossResult> {
  return headLoss({ ...inputs, ...options } as HeadLossOptions);
}

/** The length of `actual − expected` is below `tolerance` times that of `expected`. */
export function expectClose(actual: ArrayLike<number>, expected: readonly number[], tolerance = 1e-5): void {
  expect(actual).toHaveLength(expected.length);
  const length = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
  expect(length(expected.map((value, i) => actual[i]! - value))).toBeLessThan(tolerance * length(expected));
}
