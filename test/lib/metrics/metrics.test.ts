import { argmaxRows, ScoreTally } from '../../../lib/metrics/accuracy.js';
import { angleReport } from '../../../lib/metrics/angles.js';

test('argmax takes the first of equals, and negative values', () => {
  expect(argmaxRows(Float32Array.of(-3, -1, -2, 5, 5, 4), 3)).toEqual(Int32Array.of(1, 0));
});

test('accuracy, loss and confusion over batches of unequal size', () => {
  const confusion = new Int32Array(4);
  const tally = new ScoreTally(2, confusion);
  tally.add(Float32Array.of(1, 0, 0, 2), Int32Array.of(0, 1));
  tally.add(Float32Array.of(3, 0), Int32Array.of(1));
  const losses = [Math.log1p(Math.exp(-1)), Math.log1p(Math.exp(-2)), 3 + Math.log1p(Math.exp(-3))];
  expect(tally.result().accuracy).toBeCloseTo(2 / 3, 12);
  expect(tally.result().loss).toBeCloseTo(losses.reduce((a, b) => a + b) / 3, 6);
  expect(confusion).toEqual(Int32Array.of(1, 0, 1, 1));
});

test('the loss stays exact where a probability would round to 0 or overflow', () => {
  const tally = new ScoreTally(2);
  tally.add(Float32Array.of(1000, -1000), Int32Array.of(1));
  expect(tally.result().loss).toBe(2000);
});

test('angles to the own centre and to the nearest other', async () => {
  // Two samples 20° apart around 0°, one at 90°, one at 180°, of different norms.
  const directions = [-10, 10, 90, 180].map((angle) => (angle * Math.PI) / 180);
  const embeddings = Float32Array.from(
    directions.flatMap((a, i) => [(i + 1) * Math.cos(a), (i + 1) * Math.sin(a)]),
  );
  const report = await angleReport(embeddings, Int32Array.of(0, 0, 1, 3), 4);
  const rounded = (angles: Float32Array) => Array.from(angles, (angle) => Math.round(angle * 10) / 10);
  expect(rounded(report!.own)).toEqual([10, 10, 0, 0]);
  expect(rounded(report!.nearestOther)).toEqual([100, 80, 90, 90]);
  expect(report!.ownCentreMean).toBeCloseTo(5, 3);
  expect(report!.nearestOtherCentreMean).toBeCloseTo(90, 3);
});

test('a zero embedding counts as 90° from everything', async () => {
  const report = await angleReport(Float32Array.of(0, 0, 1, 0, 0, 1), Int32Array.of(0, 0, 1), 2);
  expect(report!.own[0]).toBeCloseTo(90, 3);
  expect(report!.nearestOther[0]).toBeCloseTo(90, 3);
});

test('one class alone has no angles to others', async () => {
  expect(await angleReport(Float32Array.of(1, 0, 0, 1), Int32Array.of(2, 2), 3)).toBeUndefined();
});
