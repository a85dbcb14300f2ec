import { allOf } from '../../../lib/data/samples.js';
import type { Split } from '../../../lib/index.js';
import type { NativeInferRequest, NativeInferResult, NativeSession } from '../../../lib/native/contract.js';
import { headMeasurer } from '../../../lib/training/measure.js';

/** Images of 1×2 pixels that hold their own number. */
function numbered(count: number): Split {
  const data = Uint8Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? (i / 2) >> 8 : (i / 2) & 255));
  return {
    images: { data, shape: [count, 1, 2, 1] },
    labels: Int32Array.from({ length: count }, (_, i) => i),
  };
}

const measureHead = (session: NativeSession, split: Split) => headMeasurer(session, allOf(split))();

/** A session that answers with these numbers. */
function session(answer: NativeInferResult, embeddingSize: number) {
  const infer = jest.fn(async (_: NativeInferRequest) => answer);
  return { infer, summary: { embeddingSize } } as unknown as NativeSession & { infer: typeof infer };
}

const radians = (degrees: number) => (degrees * Math.PI) / 180;

test('percentiles of angles and norms', async () => {
  // 101 samples: own angles 0…100°, others 80…180°, in an order of their own, embeddings of length 1…101.
  const order = Array.from({ length: 101 }, (_, i) => (i * 37) % 101);
  const fake = session(
    {
      angles: Float32Array.from(order.flatMap((i) => [radians(i), radians(80 + i)])),
      embeddings: Float32Array.from(order.flatMap((i) => [0.6 * (i + 1), -0.8 * (i + 1)])),
      classNorms: Float32Array.from(order, (i) => i / 10),
    },
    2,
  );
  const measured = await measureHead(fake, numbered(101));
  const close = (values: number[]) => values.map((value) => expect.closeTo(value, 4));
  expect(measured.targetAngle).toEqual(close([5, 50, 95]));
  expect(measured.nearestOtherAngle).toEqual(close([85, 130, 175]));
  expect(measured.featureNorm).toEqual(close([6, 51, 96]));
  expect(measured.weightNorm).toEqual(close([0.5, 5, 9.5]));
  expect(measured.spread).toBeLessThan(0.1);
  expect(measured.nearestOwn).toBe(1);
});

test('the share that stands nearest to its own class', async () => {
  const angles = [1, 2, 2, 1, 1, 1, 0, 3].map((degrees) => radians(degrees));
  const fake = session(
    { angles: Float32Array.from(angles), embeddings: new Float32Array(8), classNorms: new Float32Array(2) },
    2,
  );
  expect((await measureHead(fake, numbered(4))).nearestOwn).toBe(0.5);
});

test('the session is asked for what is needed, with the labels', async () => {
  const answer = {
    angles: new Float32Array(6),
    embeddings: new Float32Array(6),
    classNorms: new Float32Array(2),
  };
  const fake = session(answer, 2);
  const data = numbered(3);
  await measureHead(fake, data);
  expect(fake.infer).toHaveBeenCalledTimes(1);
  expect(fake.infer.mock.calls[0]![0]).toEqual({
    ...{ images: data.images.data, count: 3, labels: data.labels },
    ...{ embeddings: true, normalizeEmbeddings: false, probabilities: false, scores: false, cosines: false },
  });
});

test('of many samples 512 are measured, the same each time', async () => {
  const answer = {
    angles: new Float32Array(1024),
    embeddings: new Float32Array(1024),
    classNorms: new Float32Array(2),
  };
  const fake = session(answer, 2);
  const measure = headMeasurer(fake, allOf(numbered(1024)));
  await measure();
  await measure();
  const [[first], [second]] = fake.infer.mock.calls as [[NativeInferRequest], [NativeInferRequest]];
  expect(first.count).toBe(512);
  expect([...first.labels!].slice(0, 3)).toEqual([0, 2, 4]);
  expect(second).toEqual(first);
});

/** Largest angle to the mean direction, of embeddings at these angles in the plane and with these lengths. */
async function spreadOf(angles: number[], lengths = angles.map(() => 1)): Promise<number> {
  const embeddings = angles.flatMap((angle, i) => [
    lengths[i]! * Math.cos(radians(angle)),
    lengths[i]! * Math.sin(radians(angle)),
  ]);
  const answer = {
    embeddings: Float32Array.from(embeddings),
    angles: new Float32Array(embeddings.length),
    classNorms: Float32Array.of(1),
  };
  return (await measureHead(session(answer, 2), numbered(angles.length))).spread;
}

test.each<[string, number[], number[], number]>([
  ['one direction', [40, 40, 40], [1, 5, 0.1], 0],
  ['two directions', [10, 50], [1, 9], 20], // by direction: lengths do not count
  ['three directions', [0, 30, 90], [1, 1, 1], 51.20602],
  ['opposite directions, which have no mean', [0, 180], [1, 1], 90],
  ['a zero among them', [0, 10], [1, 0], 90],
  ['nothing but zeros', [0, 10], [0, 0], 90],
])('spread of %s', async (_, angles, lengths, expected) => {
  expect(await spreadOf(angles, lengths)).toBeCloseTo(expected, 4);
});

test('what is measured is what was given, whatever becomes of the array', async () => {
  const fake = session(
    { angles: new Float32Array(6), embeddings: new Float32Array(6), classNorms: new Float32Array(2) },
    2,
  );
  const data = numbered(3);
  const before = data.images.data.slice();
  const measure = headMeasurer(fake, allOf(data));
  data.images.data.fill(0);
  await measure();
  expect(fake.infer.mock.calls[0]![0].images).toEqual(before);
});
