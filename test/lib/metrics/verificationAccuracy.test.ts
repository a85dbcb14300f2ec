import { rocCurve } from '../../../lib/metrics/rocCurve.js';
import { verificationAccuracy } from '../../../lib/metrics/verificationAccuracy.js';
import { refusal } from '../../support/refusal.js';

test('a curve by hand, as a step function', () => {
  const { thresholds, far, tar } = rocCurve(Float32Array.of(0.75, 0.5, 0.5, 0.25), [1, 1, 0, 0]);
  expect([...thresholds]).toEqual([Number.POSITIVE_INFINITY, 0.75, 0.5, 0.25]);
  expect([...far]).toEqual([0, 0, 0.5, 1]);
  expect([...tar]).toEqual([0, 0.5, 1, 1]);
});

test('where all cosines are equal the curve has its two ends', () => {
  const { far, tar } = rocCurve(new Float32Array(4).fill(0.5), [1, 0, 1, 0]);
  expect([[...far], [...tar]]).toEqual([
    [0, 1],
    [0, 1],
  ]);
});

test('two folds by hand: each has the threshold of the other', () => {
  const cosines = Float32Array.of(0.75, 0.25, 0.5, 0.125);
  const found = verificationAccuracy(cosines, [1, 0, 1, 0], { folds: [0, 0, 1, 1] });
  expect(found.folds).toEqual([
    { accuracy: 1, threshold: 0.3125, squaredDistance: 1.375, same: 1, different: 1 },
    { accuracy: 1, threshold: 0.5, squaredDistance: 1, same: 1, different: 1 },
  ]);
  expect(found).toMatchObject({ accuracy: 1, std: 0, standardError: 0 });
  expect(found.protocol).toContain('2 folds of pairs, as given');
});

test('mean, deviation and standard error of folds that differ', () => {
  // The second fold's pairs are the wrong way round for what the others say.
  const cosines = Float32Array.of(0.75, 0.25, 0.25, 0.75, 0.75, 0.25);
  const { accuracy, std, standardError, folds } = verificationAccuracy(cosines, [1, 0, 1, 0, 1, 0], {
    folds: [0, 0, 1, 1, 2, 2],
  });
  const accuracies = folds.map((fold) => fold.accuracy);
  expect(accuracies[1]).toBe(0);
  const mean = accuracies.reduce((a, b) => a + b) / 3;
  const deviation = Math.sqrt(accuracies.reduce((sum, each) => sum + (each - mean) ** 2, 0) / 2);
  expect([accuracy, std]).toEqual([mean, deviation]);
  expect(standardError).toBeCloseTo(deviation / Math.sqrt(3), 12);
});

test('folds that are drawn have as many pairs of either kind, and depend on the seed alone', () => {
  const isSame = Array.from({ length: 230 }, (_, pair) => pair < 101);
  const cosines = Float32Array.from(isSame, (same, pair) => (same ? 0.3 : 0.1) + ((pair * 37) % 50) / 100);
  const found = verificationAccuracy(cosines, isSame, { seed: 3 });
  expect(found.folds.map(({ same }) => same).sort()).toEqual([...Array(9).fill(10), 11]);
  expect(found.folds.map(({ different }) => different).sort()).toEqual([12, ...Array(9).fill(13)]);
  expect(verificationAccuracy(cosines, isSame, { seed: 3 })).toEqual(found);
  expect(verificationAccuracy(cosines, isSame, { seed: 4 }).folds).not.toEqual(found.folds);
  expect(found.protocol).toContain('10 folds of pairs, drawn with seed 3');
});

test('all cosines equal: all pairs count as the kind that the other folds have more of', () => {
  const cosines = new Float32Array(8).fill(0.5);
  const { folds } = verificationAccuracy(cosines, [1, 1, 1, 0, 1, 1, 1, 0], {
    folds: [0, 0, 0, 0, 1, 1, 1, 1],
  });
  expect(folds.map(({ accuracy, threshold }) => [accuracy, threshold])).toEqual([
    [0.75, -1],
    [0.75, -1],
  ]);
});

test.each([
  [[0.5, Number.NaN, 0.5, 0.5], [1, 0, 1, 0], { folds: 2 }, 'INVALID_DATA'],
  [[0.5, 0.5, 0.5, 0.5], [1, 1, 1, 1], { folds: 2 }, 'INVALID_DATA'], // one kind alone
  [[0.5, 0.5, 0.5, 0.5], [1, 1, 1, 0], { folds: 2 }, 'INVALID_DATA'], // fewer of a kind than folds
  [[0.5, 0.5, 0.5, 0.5], [1, 1, 1, 0], { folds: [0, 0, 1, 1] }, 'INVALID_DATA'], // the other fold has one kind
  [[0.5, 0.5, 0.5, 0.5], [1, 0, 1, 0], { folds: [0, 0, 2, 2] }, 'INVALID_DATA'], // a fold without pairs
  [[0.5, 0.5, 0.5, 0.5], [1, 0, 1, 0], { folds: [0, 0, 0, 0] }, 'INVALID_DATA'], // one fold
  [[0.5, 0.5, 0.5, 0.5], [1, 0, 1, 0], { folds: [0, 1] }, 'INVALID_OPTION'],
  [[0.5, 0.5, 0.5, 0.5], [1, 0, 1, 0], { folds: 1 }, 'INVALID_OPTION'],
  [[0.5, 0.5, 0.5, 0.5], [1, 0, 1, 0], { seed: -1 }, 'INVALID_OPTION'],
])('%j of %j with %j is refused: %s', async (cosines, isSame, options, code) => {
  expect(
    await refusal(() => verificationAccuracy(Float32Array.from(cosines), isSame, options)),
  ).toMatchObject({ code });
});
