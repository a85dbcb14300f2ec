import {
  type Batching,
  hasJoinedTail,
  largestBatch,
  samplesOfStep,
  stepsPerEpoch,
} from '../../../lib/training/batching.js';

/** What each step of an epoch has. */
const steps = (batching: Batching) =>
  Array.from({ length: stepsPerEpoch(batching) }, (_, step) => samplesOfStep(batching, step));

test.each([
  [10, 5, false, [5, 5]],
  [10, 4, false, [4, 4, 2]],
  [10, 10, false, [10]],
  [10, 3, false, [3, 3, 3, 1]],
  [10, 3, true, [3, 3, 4]],
  [10, 9, true, [10]],
  [10, 4, true, [4, 4, 2]],
  [10, 5, true, [5, 5]],
  [2, 1, false, [1, 1]],
  [3, 2, true, [3]],
  [2, 2, true, [2]],
  [1, 1, false, [1]],
])('%d samples in batches of %d, a tail of one joins: %j', (samples, batchSize, joinsTail, expected) => {
  const batching = { samples, batchSize, joinsTail, dropsTail: false };
  expect(steps(batching)).toEqual(expected);
  expect(largestBatch(batching)).toBeGreaterThanOrEqual(Math.max(...expected));
  expect(hasJoinedTail(batching)).toBe(Math.max(...expected) > batchSize);
});

test.each([
  [10, 5, [5, 5]],
  [10, 4, [4, 4]],
  [10, 3, [3, 3, 3]],
  [10, 10, [10]],
])('%d samples in batches of %d, a tail left out: %j', (samples, batchSize, expected) => {
  for (const joinsTail of [false, true]) {
    const batching = { samples, batchSize, joinsTail, dropsTail: true };
    expect(steps(batching)).toEqual(expected);
    expect(largestBatch(batching)).toBe(batchSize);
  }
});

test('every division has all samples, and none of one sample where tails join', () => {
  for (let samples = 2; samples <= 40; samples++) {
    for (let batchSize = 2; batchSize <= samples; batchSize++) {
      for (const joinsTail of [false, true]) {
        const division = steps({ samples, batchSize, joinsTail, dropsTail: false });
        expect(division.reduce((sum, size) => sum + size, 0)).toBe(samples);
        expect(Math.max(...division)).toBe(largestBatch({ samples, batchSize, joinsTail, dropsTail: false }));
        if (joinsTail) expect(Math.min(...division)).toBeGreaterThan(1);
      }
    }
  }
});
