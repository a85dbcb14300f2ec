import { risingRate, SmoothedLosses, suggest } from '../../../lib/tuning/rateCurve.js';

const smooth = (losses: readonly number[]) => {
  const smoothed = new SmoothedLosses();
  for (const loss of losses) smoothed.add(loss);
  return smoothed;
};

const rates = (count: number, min = 1e-6, max = 1) =>
  Array.from({ length: count }, (_, step) => risingRate(step, count, min, max));

test('rates rise by the same factor from the least to the highest', () => {
  const all = rates(7);
  all.forEach((rate, step) => {
    expect(rate / 10 ** (step - 6)).toBeCloseTo(1, 12);
  });
});

test('the smoothed loss is the mean with weights 0.98^age', () => {
  const losses = Array.from({ length: 60 }, (_, step) => 3 + Math.sin(step) - step / 40);
  const expected = losses.map((_, step) => {
    let [sum, weights] = [0, 0];
    for (let age = 0; age <= step; age++) {
      sum += 0.98 ** age * losses[step - age]!;
      weights += 0.98 ** age;
    }
    return sum / weights;
  });
  smooth(losses).values.forEach((value, step) => {
    expect(value).toBeCloseTo(expected[step]!, 12);
  });
});

test('a curve has diverged at four times its least value, and not before', () => {
  const smoothed = new SmoothedLosses();
  expect(smoothed.hasDiverged).toBe(false);
  for (const loss of [1, 1, 1, 50]) smoothed.add(loss);
  const last = smoothed.values.at(-1)!;
  expect(last).toBeGreaterThan(4);
  expect(smoothed.hasDiverged).toBe(true);
  expect(smooth([4, 4, 4, 5, 6]).hasDiverged).toBe(false);
});

/** The rule once more, from its words: of the points without the first tenth and the last five. */
function expectedSuggestions(all: readonly number[], values: readonly number[], steps: number) {
  const kept = values.map((value, step) => ({ value, rate: all[step]! })).slice(Math.floor(steps / 10), -5);
  const slopes = kept.slice(1).map(({ value, rate }, index) => ({
    slope: (value - kept[index]!.value) / (Math.log(rate) - Math.log(kept[index]!.rate)),
    rate: kept[index]!.rate,
  }));
  const steepest = slopes.sort((a, b) => a.slope - b.slope)[0]!;
  const least = [...kept].sort((a, b) => a.value - b.value)[0]!;
  return { steepest: steepest.rate, minimumTenth: least.rate / 10 };
}

test.each([100, 250])('suggestions for a curve of %d points are by the rule', (count) => {
  const all = rates(count);
  // A plateau, a fall around 1e-3, a minimum near 1e-1, and up again; with some noise.
  const losses = all.map(
    (rate, step) => 1 + 2 / (1 + (rate / 1e-3) ** 2) + (rate / 0.3) ** 3 + 0.01 * Math.sin(7 * step),
  );
  const { values } = smooth(losses);
  expect(suggest(all, values, count)).toEqual(expectedSuggestions(all, values, count));
  const raw = suggest(
    all,
    losses.map((loss, step) => loss - 0.01 * Math.sin(7 * step)),
    count,
  );
  // The derivative of 1/(1 + x²) by ln x is least at x = 1: within a step or two.
  expect(raw.steepest! / 1e-3).toBeGreaterThan(1 / 1.25);
  expect(raw.steepest! / 1e-3).toBeLessThan(1.25);
});

test('a curve that never falls has no steepest descent', () => {
  const all = rates(100);
  const values = all.map((_, step) => 1 + step);
  expect(suggest(all, values, 100)).toEqual({ minimumTenth: all[10]! / 10 });
});

test.each([0, 10, 16])('nothing is suggested of %d points of 100', (count) => {
  const all = rates(100).slice(0, count);
  expect(
    suggest(
      all,
      all.map((_, step) => 9 - step / 10),
      100,
    ),
  ).toEqual({});
});
