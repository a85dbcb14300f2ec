/**
 * Whether rows differ from another by more than their seeds do: Student's t-test of the differences, seed by seed. It takes these
 * differences to be independent and normal; of a handful of seeds that cannot be seen, and only clear differences are.
 */

export interface PairedTest {
  /** Mean of the differences */
  readonly difference: number;
  /** How many: one less are the degrees of freedom. */
  readonly pairs: number;
  /** Mean by its standard error; undefined: all differences are the same */
  readonly t?: number;
  /** Two-sided, of this difference alone */
  readonly p: number;
}

/** Undefined of fewer than two pairs. Where all differences are alike, p is 1 of none and 0 of any other. */
export function pairedTest(values: readonly number[], others: readonly number[]): PairedTest | undefined {
  const pairs = values.length;
  if (pairs < 2) return undefined;
  const differences = values.map((value, index) => value - others[index]!);
  const difference = differences.reduce((sum, each) => sum + each, 0) / pairs;
  const squares = differences.reduce((sum, each) => sum + (each - difference) ** 2, 0);
  if (squares === 0) return { difference, pairs, p: difference === 0 ? 1 : 0 };
  const t = difference / Math.sqrt(squares / (pairs - 1) / pairs);
  return { difference, pairs, t, p: twoSided(t, pairs - 1) };
}

/**
 * How probable |T| ≥ |t| is, for T of Student's distribution: the finite sums for whole degrees of freedom (Abramowitz & Stegun 1964,
 * 26.7.3 and 26.7.4), to some 1e-15 of 1.
 */
export function twoSided(t: number, degrees: number): number {
  const angle = Math.atan2(Math.abs(t), Math.sqrt(degrees));
  const cosine2 = Math.cos(angle) ** 2;
  const isOdd = degrees % 2 === 1;
  let term = isOdd ? Math.cos(angle) : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let k = isOdd ? 2 : 1; k <= degrees - 3; k += 2) {
    term *= (k / (k + 1)) * cosine2;
    sum += term;
  }
  const inside = isOdd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
  return Math.min(1, Math.max(0, 1 - inside));
}

/**
 * Corrected for being several (Holm 1979): if no row differed, one of all these would be below α with a probability of at most α.
 * @param values Of single tests; undefined ones count as none
 */
export function holm(values: readonly (number | undefined)[]): (number | undefined)[] {
  const tests = values.flatMap((p, index) => (p === undefined ? [] : [{ p, index }]));
  tests.sort((a, b) => a.p - b.p);
  const corrected: (number | undefined)[] = values.map(() => undefined);
  let largest = 0;
  for (const [rank, { p, index }] of tests.entries()) {
    largest = Math.max(largest, Math.min(1, p * (tests.length - rank)));
    corrected[index] = largest;
  }
  return corrected;
}
