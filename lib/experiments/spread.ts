/** Several runs in two numbers. */
export interface Spread {
  readonly mean: number;
  /** Standard deviation of the sample, by n − 1; 0 of a single value. */
  readonly std: number;
  readonly values: readonly number[];
}

export function meanAndStd(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const std = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0;
  return { mean, std, values };
}
