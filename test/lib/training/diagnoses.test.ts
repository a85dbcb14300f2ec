import { diagnose } from '../../../lib/training/diagnoses.js';
import type { EpochRecord } from '../../../lib/training/events.js';

/** An epoch in which all goes well, with changes. */
const record = (changes: Partial<EpochRecord> = {}, spread = 90): Omit<EpochRecord, 'diagnoses'> => ({
  ...{ epoch: 1, epochs: 2, steps: 100, loss: 0.4, accuracy: 0.9, learningRate: 1e-3, lambda: 0, pastPi: 0 },
  ...{ gradientNorm: 1, logitGradientNorm: 0.1, seconds: 1, imagesPerSecond: 1000 },
  head: {
    targetAngle: [10, 20, 40],
    nearestOtherAngle: [60, 80, 90],
    featureNorm: [1, 2, 3],
    weightNorm: [1, 1, 1],
    spread,
  },
  ...changes,
});
const TEN = { numClasses: 10 };
const names = (...args: Parameters<typeof diagnose>) => diagnose(...args).map(({ name }) => name);

test('nothing is said of an epoch in which all goes well', () => {
  expect(diagnose(record(), TEN, 1000)).toEqual([]);
});

test.each([
  [2.31, 50, true],
  [2.31, 49, false],
  [2.34, 1000, true],
  [2.26, 1000, true],
  [2.36, 1000, false],
  [2.24, 1000, false],
])('a loss of %d after %d steps: predicting uniformly = %p', (loss, steps, expected) => {
  const found = names(record({ loss }), TEN, steps);
  expect(found).toEqual(expected ? ['predicting-uniformly'] : []);
});

test('ln C follows the number of classes', () => {
  const loss = Math.log(100);
  expect(names(record({ loss }), { numClasses: 100 }, 1000)).toEqual(['predicting-uniformly']);
  expect(names(record({ loss }), TEN, 1000)).toEqual([]);
  expect(diagnose(record({ loss }), { numClasses: 100 }, 1000)[0]!.message).toContain(
    'the loss stays at 4.61 ≈ ln 100',
  );
});

test('normalised logits are near ln C while they learn', () => {
  const scaledBn = { scale: 1, epsilon: 1e-5 };
  expect(diagnose(record({ loss: Math.log(10) }), { ...TEN, scaledBn }, 1000)).toEqual([]);
});

test('embeddings within a degree of one direction have collapsed', () => {
  expect(names(record({}, 0.99), TEN, 1)).toEqual(['collapsed']);
  expect(names(record({}, 1), TEN, 1)).toEqual([]);
  expect(diagnose(record({}, 0.4), TEN, 1)[0]!.message).toContain('within 0.40° of one direction');
});

const away = (pastPi: number, median: number) => {
  const head = { ...record().head, targetAngle: [10, median, 170] as const };
  return record({ pastPi, head });
};

test('most samples past 180°, and pointing away from their class', () => {
  expect(names(away(0.51, 91), TEN, 1)).toEqual(['past-pi']);
  expect(names(away(0.5, 91), TEN, 1)).toEqual([]);
  expect(diagnose(away(0.764, 91), TEN, 1)[0]!.message).toMatch(/^76 % of the samples/);
});

test('a multiplied angle passes 180° as a matter of course', () => {
  expect(names(away(0.9, 89), TEN, 1)).toEqual([]);
});

test('several at once', () => {
  const head = { ...away(1, 100).head, spread: 0 };
  const all = names(record({ loss: Math.log(10), pastPi: 1, head }), TEN, 1000);
  expect(all).toEqual(['predicting-uniformly', 'collapsed', 'past-pi']);
});
