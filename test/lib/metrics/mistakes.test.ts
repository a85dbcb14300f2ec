import { confusedPairs, findMistakes, mostConfidentFirst } from '../../../lib/metrics/mistakes.js';

/** Five samples of three classes: right, wrong by 0.5, wrong by 0.75, right, wrong by 0.5. */
const probabilities = Float32Array.of(
  ...[0.5, 0.25, 0.25],
  ...[0.125, 0.625, 0.25],
  ...[0.125, 0.875, 0],
  ...[0, 0, 1],
  ...[0.625, 0.125, 0.25],
);
const labels = Int32Array.of(0, 0, 0, 2, 1);

test('samples whose most probable class is another, with both probabilities', () => {
  expect(findMistakes({ probabilities }, labels, 3)).toEqual([
    { sample: 1, label: 0, predicted: 1, labelProbability: 0.125, predictedProbability: 0.625 },
    { sample: 2, label: 0, predicted: 1, labelProbability: 0.125, predictedProbability: 0.875 },
    { sample: 4, label: 1, predicted: 0, labelProbability: 0.125, predictedProbability: 0.625 },
  ]);
});

test('cosines are those of the same two classes, and numbers go on from the first', () => {
  const cosines = Float32Array.from({ length: 15 }, (_, index) => index / 16);
  expect(findMistakes({ probabilities, cosines }, labels, 3, 100).at(-1)).toMatchObject({
    ...{ sample: 104, labelCosine: 13 / 16, predictedCosine: 12 / 16 },
  });
});

test('the most confident first, of equals the lower number', () => {
  const mistakes = findMistakes({ probabilities }, labels, 3).reverse();
  expect(mostConfidentFirst(mistakes).map(({ sample }) => sample)).toEqual([2, 1, 4]);
});

test('confused classes, the most frequent first', () => {
  expect(confusedPairs(findMistakes({ probabilities }, labels, 3))).toEqual([
    { label: 0, predicted: 1, count: 2 },
    { label: 1, predicted: 0, count: 1 },
  ]);
  expect(confusedPairs([])).toEqual([]);
});
