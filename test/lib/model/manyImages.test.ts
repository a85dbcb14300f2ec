/** More images than a call of the addon takes: what is told of them is what each of them gives. */
import {
  conv2d,
  linear,
  type Model,
  relu,
  type Split,
  sequential,
  type TrainResult,
  train,
} from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';

/** Images of one call, in lib/model/inference.ts; two whole calls here, and a rest. */
const CALL = 8192;
const COUNT = 2 * CALL + 717;
const CLASSES = 5;
const SIDE = 8;
const PIXELS = SIDE * SIDE;

/** Noise, brighter in one row for each class; classes in an order without a period. */
function noisy(count: number, seed: number): Split {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 8;
  };
  const labels = Int32Array.from({ length: count }, () => random() % CLASSES);
  const data = new Uint8Array(count * PIXELS);
  labels.forEach((label, image) => {
    for (let pixel = 0; pixel < PIXELS; pixel++) {
      data[image * PIXELS + pixel] = (random() % 200) + (Math.floor(pixel / SIDE) === label ? 40 : 0);
    }
  });
  return { images: { data, shape: [count, SIDE, SIDE, 1] }, labels };
}

const part = ({ images, labels }: Split, first: number, end: number): Split => ({
  images: { data: images.data.slice(first * PIXELS, end * PIXELS), shape: [end - first, SIDE, SIDE, 1] },
  labels: labels.slice(first, end),
});

const many = noisy(COUNT, 1);
let result: TrainResult;
let model: Model;

beforeAll(async () => {
  result = await train({
    data: { ...noisy(400, 2), test: many },
    model: sequential([conv2d({ outChannels: 4, kernelSize: 3 }), relu(), linear({ outFeatures: 6 })]),
    epochs: 3,
    batchSize: 40,
    learningRate: 0.01,
    validation: many,
    device: 'cpu',
  });
  model = result.model;
});

afterAll(() => model.dispose());

test('predict and embed give each image what it gets among few', async () => {
  const { probabilities, labels } = await model.predict(many.images);
  const { data, shape } = await model.embed(many.images, { normalize: false });
  expect([labels.length, probabilities.length, shape]).toEqual([COUNT, COUNT * CLASSES, [COUNT, 6]]);
  for (const first of [0, CALL - 5, 2 * CALL - 5, COUNT - 10]) {
    const few = part(many, first, first + 10).images;
    const close = (values: Float32Array, columns: number) =>
      Array.from(values.subarray(first * columns, (first + 10) * columns), (value) =>
        expect.closeTo(value, 4),
      );
    expect(Array.from((await model.predict(few)).probabilities)).toEqual(close(probabilities, CLASSES));
    expect(Array.from((await model.embed(few, { normalize: false })).data)).toEqual(close(data, 6));
  }
});

test('evaluate tells of all of them what predict says of each', async () => {
  const { probabilities, labels: predicted } = await model.predict(many.images);
  const confusion = new Int32Array(CLASSES * CLASSES);
  let [correct, loss] = [0, 0];
  many.labels.forEach((label, image) => {
    confusion[label * CLASSES + predicted[image]!]! += 1;
    if (predicted[image] === label) correct += 1;
    loss -= Math.log(probabilities[image * CLASSES + label]!) / COUNT;
  });
  const scores = { accuracy: correct / COUNT, loss: expect.closeTo(loss, 4) };
  expect(await model.evaluate(many, { confusion: true })).toEqual({ ...scores, confusion });
  // Good enough for wrong labels or wrong images to be seen, and bad enough for every image to count.
  expect(correct / COUNT).toBeGreaterThan(0.4);
  expect(correct / COUNT).toBeLessThan(0.99);
  expect([result.test, result.history.at(-1)!.validation]).toEqual([scores, scores]);
});

test('the whole is the mean of its parts', async () => {
  const edges = [0, 3000, CALL + 1, 2 * CALL, COUNT];
  const scores = await model.evaluate(many);
  const sums = { accuracy: 0, loss: 0 };
  for (const [index, end] of edges.slice(1).entries()) {
    const few = await model.evaluate(part(many, edges[index]!, end));
    sums.accuracy += (few.accuracy * (end - edges[index]!)) / COUNT;
    sums.loss += (few.loss * (end - edges[index]!)) / COUNT;
  }
  expect(scores.accuracy).toBeCloseTo(sums.accuracy, 12);
  expect(scores.loss).toBeCloseTo(sums.loss, 6);
});

test('angles of the test images are those of their own embeddings', async () => {
  const { data } = await model.embed(many.images, { normalize: true });
  const centres = Array.from({ length: CLASSES }, () => Array<number>(6).fill(0));
  many.labels.forEach((label, image) => {
    for (let k = 0; k < 6; k++) centres[label]![k]! += data[image * 6 + k]!;
  });
  const { own, nearestOther } = result.angles!;
  expect([own.length, nearestOther.length]).toEqual([COUNT, COUNT]);
  let worst = 0;
  many.labels.forEach((label, image) => {
    const cosines = centres.map((centre) => {
      const dot = centre.reduce((sum, value, k) => sum + value * data[image * 6 + k]!, 0);
      return dot / Math.hypot(...centre);
    });
    const others = cosines.filter((_, other) => other !== label);
    for (const [angle, cosine] of [
      [own[image]!, cosines[label]!],
      [nearestOther[image]!, Math.max(...others)],
    ] as const) {
      worst = Math.max(worst, Math.abs(Math.cos((angle * Math.PI) / 180) - cosine));
    }
  });
  expect(worst).toBeLessThan(1e-5);
});

test('a fraction that is held out and not in one piece is scored as the same images apart', async () => {
  const seen = new Map<number, number>();
  const heldOut = Array.from(many.labels.keys()).filter((image) => {
    const rank = seen.get(many.labels[image]!) ?? 0;
    seen.set(many.labels[image]!, rank + 1);
    return rank % 3 !== 0; // two thirds of each class, as evenly as they go
  });
  expect(heldOut.length).toBeGreaterThan(CALL);
  const apart = {
    images: {
      data: Uint8Array.from(
        heldOut.flatMap((image) =>
          Array.from(many.images.data.subarray(image * PIXELS, (image + 1) * PIXELS)),
        ),
      ),
      shape: [heldOut.length, SIDE, SIDE, 1] as [number, number, number, number],
    },
    labels: heldOut.map((image) => many.labels[image]!),
  };
  const run = await train({
    data: many,
    model: sequential([linear({ outFeatures: 6 })]),
    epochs: 1,
    batchSize: 1000,
    validation: 2 / 3,
    device: 'cpu',
  });
  using trained = run.model;
  expect(run.history[0]!.validation).toEqual(await trained.evaluate(apart));
});

test('a label out of range is found behind the first calls', async () => {
  const labels = many.labels.with(COUNT - 1, CLASSES);
  expect((await refusal(() => model.evaluate({ ...many, labels }))).code).toBe('INVALID_DATA');
});
