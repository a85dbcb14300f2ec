/** How large logits and class weights are, beside the same computed here from the model's file and its embeddings. */
import { readFileSync } from 'node:fs';
import { type Dataset, type TrainOptions, train } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();
const [SIZE, CLASSES] = [16, 10];
let data: Dataset;
beforeAll(async () => {
  data = await sample(240, 100);
});

const small = {
  model: tinyModel,
  threads: 1,
  device: 'cpu',
  batchSize: 20,
  epochs: 2,
  learningRate: 0.01,
} as const;

/** By the published format: https://github.com/huggingface/safetensors */
function tensorIn(path: string, name: string): Float32Array {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE());
  const [begin, end] = JSON.parse(bytes.toString('utf8', 8, 8 + length))[name].data_offsets;
  return new Float32Array(Uint8Array.from(bytes.subarray(8 + length + begin, 8 + length + end)).buffer);
}

const rowOf = (rows: Float32Array, index: number) =>
  Array.from(rows.subarray(index * SIZE, (index + 1) * SIZE));
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const norm = (a: readonly number[]) => Math.sqrt(dot(a, a));

const HEADS: readonly [TrainOptions, (x: number[], w: number[]) => number][] = [
  [{ head: 'softmax', bias: false }, dot],
  [{ head: 'arcface', m: 0.3, s: 8 }, (x, w) => (8 * dot(x, w)) / (norm(x) * norm(w))],
];

test.each(HEADS)('%j', async (head, logit) => {
  const result = await train({ ...small, ...head, data });
  using model = result.model;
  const path = inFolder('model.safetensors');
  await model.save(path);
  const weights = tensorIn(path, 'head.weight');
  const { logits, weightNorms } = await model.logitStatistics(data.test!.images);
  expect(weightNorms).toHaveLength(CLASSES);
  for (const [label, value] of weightNorms.entries()) {
    expect(Math.abs(value / norm(rowOf(weights, label)) - 1)).toBeLessThan(1e-6);
  }
  const { data: embeddings } = await model.embed(data.test!.images, { normalize: false });
  const expected = Array.from({ length: 100 * CLASSES }, (_, index) =>
    logit(rowOf(embeddings, Math.floor(index / CLASSES)), rowOf(weights, index % CLASSES)),
  ).sort((a, b) => a - b);
  const mean = expected.reduce((sum, value) => sum + value, 0) / expected.length;
  const std = Math.sqrt(
    expected.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (expected.length - 1),
  );
  expect(Math.abs(logits.mean - mean)).toBeLessThan(1e-5);
  expect(Math.abs(logits.std - std)).toBeLessThan(1e-5);
  expect(logits.counts.reduce((sum, count) => sum + count, 0)).toBe(expected.length);
  // Below each edge as many as here, but for those that rounding puts on its other side.
  let below = 0;
  for (const [bin, edge] of logits.edges.entries()) {
    expect(below).toBeGreaterThanOrEqual(expected.filter((value) => value < edge - 1e-5).length);
    expect(below).toBeLessThanOrEqual(expected.filter((value) => value < edge + 1e-5).length);
    below += logits.counts[bin] ?? 0;
  }
});

test('of no images there is nothing to say', async () => {
  const result = await train({ ...small, epochs: 1, data });
  using model = result.model;
  expect((await refusal(() => model.logitStatistics([]))).code).toBe('INVALID_OPTION');
  const none = { data: new Uint8Array(0), shape: [0, 28, 28, 1] } as const;
  expect((await refusal(() => model.logitStatistics(none))).code).toBe('INVALID_DATA');
});
