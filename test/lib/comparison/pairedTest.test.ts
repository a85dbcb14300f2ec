/** The paired t-test and Holm's correction, beside what SciPy and statsmodels say. */
import { holm, pairedTest, twoSided } from '../../../lib/comparison/pairedTest.js';

// scipy.stats.t.sf(t, degrees) * 2, SciPy 1.17
test.each([
  [0, 1, 1],
  [1, 1, 0.5],
  [12.706204736432095, 1, 0.05],
  [-4.302652729911275, 2, 0.05],
  [2.5, 3, 0.08770664700806556],
  [2.7764451051977987, 4, 0.05],
  [3, 5, 0.030099247897462614],
  [0.5, 9, 0.6290712998260263],
  [2.0049, 29, 0.05438809186357186],
])('t = %d with %d degrees of freedom', (t, degrees, p) => expect(twoSided(t, degrees)).toBeCloseTo(p, 9));

test('differences seed by seed: scipy.stats.ttest_rel', () => {
  const { t, ...test } = pairedTest([0.91, 0.93, 0.92, 0.95], [0.9, 0.91, 0.92, 0.9])!;
  expect(t).toBeCloseTo(1.8516401995451048, 9);
  expect(test.p).toBeCloseTo(0.16116184721351917, 9);
  expect(test.difference).toBeCloseTo(0.02, 12);
  expect(test.pairs).toBe(4);
});

test('what cannot be tested, and what needs no test', () => {
  expect(pairedTest([0.9], [0.8])).toBeUndefined();
  expect(pairedTest([], [])).toBeUndefined();
  expect(pairedTest([0.5, 0.5], [0.5, 0.5])).toEqual({ difference: 0, pairs: 2, p: 1 });
  expect(pairedTest([0.75, 0.75], [0.5, 0.5])).toEqual({ difference: 0.25, pairs: 2, p: 0 });
});

test("Holm's step-down: statsmodels.stats.multitest.multipletests(method='holm')", () => {
  const corrected = holm([0.01, undefined, 0.04, 0.03, 0.005]);
  expect(corrected.map((p) => p && Number(p.toFixed(10)))).toEqual([0.03, undefined, 0.06, 0.06, 0.02]);
  expect(holm([0.6, 0.7])).toEqual([1, 1]);
  expect(holm([])).toEqual([]);
});
