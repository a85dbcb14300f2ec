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

test('angles are those of double precision, however small', async () => {
  const [classes, each, size] = [40, 6, 16];
  const random = (at: number) => ((Math.imul(at + 1, 0x9e3779b1) >>> 8) / 2 ** 24) * 2 - 1;
  const labels = Int32Array.from({ length: classes * each }, (_, sample) => sample % classes);
  // Classes in pairs that stand nearer to each other with their number, to a thousandth of a degree.
  const embeddings = Float32Array.from({ length: labels.length * size }, (_, at) => {
    const label = labels[Math.floor(at / size)]!;
    const pair = random((label >> 1) * size + (at % size));
    return pair + 2 ** (-label / 2) * (random(at + 5000) + random(at + 9000 + (label & 1)));
  });
  const report = await angleReport(embeddings, labels, classes, { device: 'cpu' });
  const samples = Array.from(labels, (_, row) =>
    unit(Array.from(embeddings.subarray(row * size, (row + 1) * size))),
  );
  const centres = Array.from({ length: classes }, (_, label) =>
    unit(
      samples.filter((_, row) => labels[row] === label).reduce((a, b) => a.map((value, k) => value + b[k]!)),
    ),
  );
  const others = (from: number[], own: number) =>
    Math.min(...centres.filter((_, label) => label !== own).map((centre) => degrees(from, centre)));
  for (const [row, label] of labels.entries()) {
    expect(Math.abs(report!.own[row]! - degrees(samples[row]!, centres[label]!))).toBeLessThan(1e-4);
    expect(Math.abs(report!.nearestOther[row]! - others(samples[row]!, label))).toBeLessThan(1e-4);
  }
  const between = centres.reduce((sum, centre, label) => sum + others(centre, label), 0) / classes;
  expect(Math.abs(report!.nearestOtherCentreMean - between)).toBeLessThan(1e-4);
});

const unit = (row: number[]) => row.map((value) => value / Math.hypot(...row));

/** The angle whose chord is |a − b|. */
const degrees = (a: number[], b: number[]) =>
  (2 * Math.asin(Math.min(1, Math.hypot(...a.map((value, k) => value - b[k]!)) / 2)) * 180) / Math.PI;

test('one class alone has no angles to others', async () => {
  expect(await angleReport(Float32Array.of(1, 0, 0, 1), Int32Array.of(2, 2), 3)).toBeUndefined();
});
