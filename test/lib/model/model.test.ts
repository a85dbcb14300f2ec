import { classificationReport, type Dataset, type Model, train } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { first, sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;
let arcface: Model;
let softmax: Model;

beforeAll(async () => {
  data = await sample(500, 130);
  const options = { data, model: tinyModel, epochs: 4, batchSize: 32, learningRate: 0.01 } as const;
  arcface = (await train({ ...options, head: 'arcface', s: 16, m: 0.3 })).model;
  softmax = (await train(options)).model;
});

afterAll(() => {
  arcface.dispose();
  softmax.dispose();
});

test('predict gives probabilities that sum to 1, and their largest as label', async () => {
  const { labels, probabilities, numClasses } = await arcface.predict(data.test!.images);
  expect(numClasses).toBe(10);
  expect(probabilities).toHaveLength(130 * 10);
  for (const [sample, label] of labels.entries()) {
    const row = Array.from(probabilities.subarray(sample * 10, sample * 10 + 10));
    expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(row[label]).toBe(Math.max(...row));
  }
});

test('predictions do not depend on what else is in the batch', async () => {
  const all = await arcface.predict(data.test!.images);
  const three = await arcface.predict(first(data.test!, 3).images);
  three.probabilities.forEach((probability, index) => {
    expect(probability).toBeCloseTo(all.probabilities[index]!, 5);
  });
});

test('evaluate agrees with predict, and its confusion with both', async () => {
  const { labels, probabilities } = await arcface.predict(data.test!.images);
  const { accuracy, loss, confusion } = await arcface.evaluate(data.test!, { confusion: true });
  const truth = data.test!.labels;
  const right = labels.filter((label, sample) => label === truth[sample]).length;
  expect(accuracy).toBe(right / 130);
  const losses = Array.from(truth, (label, sample) => -Math.log(probabilities[sample * 10 + label]!));
  expect(loss).toBeCloseTo(losses.reduce((a, b) => a + b) / 130, 3);
  expect(confusion!.reduce((a, b) => a + b)).toBe(130);
  expect(Array.from({ length: 10 }, (_, i) => confusion![i * 11]!).reduce((a, b) => a + b)).toBe(right);
  expect(await arcface.evaluate(data.test!)).toEqual({ accuracy, loss });
});

test('evaluate reports what classificationReport tells of the same images', async () => {
  const { probabilities } = await arcface.predict(data.test!.images);
  const expected = await classificationReport({ probabilities }, data.test!.labels);
  const { accuracy, loss, report } = await arcface.evaluate(data.test!, { report: true });
  expect(report).toMatchObject({ samples: 130, numClasses: 10, accuracy, perClass: expected.perClass });
  expect(report!.nll).toBeCloseTo(loss, 10);
  expect(report!.ece).toBeCloseTo(expected.ece, 5);
  expect(report!.topK).toEqual(expected.topK);
});

test('embeddings have unit norm by default where angles count', async () => {
  const norms = async (model: Model, options?: { normalize: boolean }) => {
    const { data: values, shape } = await model.embed(first(data.test!, 20).images, options);
    expect(shape).toEqual([20, 16]);
    return Array.from({ length: 20 }, (_, row) => Math.hypot(...values.subarray(row * 16, row * 16 + 16)));
  };
  for (const norm of await norms(arcface)) expect(norm).toBeCloseTo(1, 5);
  for (const norm of await norms(softmax, { normalize: true })) expect(norm).toBeCloseTo(1, 5);
  expect((await norms(arcface, { normalize: false })).every((norm) => Math.abs(norm - 1) < 1e-3)).toBe(false);
  expect((await norms(softmax)).every((norm) => Math.abs(norm - 1) < 1e-3)).toBe(false);
});

test('summary counts network and head, and prints a table', () => {
  const summary = arcface.summary();
  const conv = 4 * 25 + 4;
  const linear = 6 * 6 * 4 * 16 + 16;
  expect(summary.parameters).toBe(conv + linear + 10 * 16);
  expect(softmax.summary().parameters).toBe(conv + linear + 10 * 16 + 10);
  expect(summary.layers.map(({ type, output }) => [type, output])).toEqual([
    ['conv2d', [24, 24, 4]],
    ['relu', [24, 24, 4]],
    ['maxPool2d', [6, 6, 4]],
    ['linear', [16]],
    ['head', [10]],
  ]);
  expect(summary.flops).toBe(2 * (24 * 24 * 4 * 25 + 144 * 16 + 160));
  expect(String(summary)).toContain('tiny, input 28×28×1');
  expect(String(summary)).toMatch(/arcface +head +10 +160 +320/);
});

test('the model knows its classes, its head and its preprocessing', () => {
  expect(arcface.classNames[9]).toBe('Ankle boot');
  expect(arcface.head).toMatchObject({ head: 'arcface', m: 0.3, s: 16 });
  expect(arcface.input).toEqual([28, 28, 1]);
  expect(arcface.normalization.mean).toHaveLength(1);
});

test('images of another size are refused with both sizes', async () => {
  const images = { data: new Uint8Array(2 * 8 * 8 * 3), shape: [2, 8, 8, 3] as const };
  for (const call of [() => arcface.predict(images), () => arcface.embed(images)]) {
    const error = await refusal(call);
    expect(error.code).toBe('SHAPE_MISMATCH');
    expect(error.message).toContain('[28, 28, 1], as in training, found [8, 8, 3]');
  }
});

test('images whose memory was transferred away are refused', async () => {
  const { images } = first(data.test!, 2);
  structuredClone(images.data, { transfer: [images.data.buffer as ArrayBuffer] });
  expect((await refusal(() => arcface.predict(images))).code).toBe('INVALID_DATA');
});

test('labels outside the classes are refused', async () => {
  const { images } = first(data.test!, 2);
  expect((await refusal(() => arcface.evaluate({ images, labels: [0, 10] }))).code).toBe('INVALID_DATA');
});

test('several calls at once each get their own answer', async () => {
  const images = data.test!.images;
  const [a, b, embeddings] = await Promise.all([
    arcface.predict(images),
    softmax.predict(images),
    arcface.embed(images),
  ]);
  expect(a).toEqual(await arcface.predict(images));
  expect(b).toEqual(await softmax.predict(images));
  expect(embeddings).toEqual(await arcface.embed(images));
});

test('after dispose every method says so, and dispose itself may be called again', async () => {
  const { model } = await train({ data, model: tinyModel, epochs: 1 });
  model.dispose();
  model.dispose();
  const { images } = data.test!;
  for (const call of [
    () => model.predict(images),
    () => model.embed(images),
    () => model.evaluate(data.test!),
    () => model.summary(),
  ]) {
    expect((await refusal(call)).code).toBe('DISPOSED');
  }
});

test('what a caller does with what a model says of itself changes nothing in it', async () => {
  const before = await arcface.predict(data.test!.images);
  expect(() => (arcface.classNames as string[]).push('x')).toThrow(TypeError);
  const { head, input, normalization } = arcface;
  (head as { s?: unknown }).s = 1;
  (input as unknown as number[])[0] = 5;
  normalization.mean.fill(9);
  expect(arcface.head).toMatchObject({ s: 16 });
  expect(arcface.input).toEqual([28, 28, 1]);
  expect(arcface.normalization.mean[0]).toBeLessThan(1);
  expect(await arcface.predict(data.test!.images)).toEqual(before);
});
