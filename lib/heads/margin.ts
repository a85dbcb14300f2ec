/** The margin on the target class: ψ(m1·θ + m2) − m3 takes the place of cosθ. Angles in radians. */
export interface Margin {
  readonly m1: number;
  readonly m2: number;
  readonly m3: number;
}

export const NO_MARGIN: Margin = { m1: 1, m2: 0, m3: 0 };

export function hasMargin({ m1, m2, m3 }: Margin): boolean {
  return m1 !== 1 || m2 !== 0 || m3 !== 0;
}

/** What of a margin is in force while it grows: `ramp` goes from 0 to 1. */
export function rampedMargin({ m1, m2, m3 }: Margin, ramp: number): Margin {
  return { m1: 1 + (m1 - 1) * ramp, m2: m2 * ramp, m3: m3 * ramp };
}

/**
 * ψ(m1·θ + m2) − m3 with ψ(u) = (−1)^k cos u − 2k for u in [kπ, (k+1)π].
 * For bounds and expectations only: training uses the native formula, which has the derivative too.
 */
export function targetFactor({ m1, m2, m3 }: Margin, theta: number): number {
  const u = m1 * theta + m2;
  const k = Math.floor(u / Math.PI);
  return (-1) ** k * Math.cos(u) - 2 * k - m3;
}
