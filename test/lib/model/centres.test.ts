/** Class centres and the cosines to them, beside the same computed here in double precision. */
import {
  type Dataset,
  type ImageInput,
  linear,
  type Model,
  sequential,
  type TrainOptions,
  train,
} from '../../../lib/index.js';
import { BACKENDS, reportMissing, whyMissing } from '../../support/backends.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;

beforeAll(async () => {
  data = await sample(240, 100);
});

const SIZE = 16;
const CLASSES = 10;

const small = { model: tinyModel, threads: 1, batchSize: 20, epochs: 2, learningRate: 0.01 } as const;

const row = (rows: Float32Array, index: number, size = SIZE) =>
  Array.from(rows.subarray(index * size, (index + 1) * size));
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const norm = (a: readonly number[]) => Math.sqrt(dot(a, a));

/** Compares `predict` with `embed` and `classCentres`; returns the centres' norms. */
async function expectCosines(model: Model): Promise<number[]> {
  const { cosines, labels } = await model.predict(data.test!.images);
  const { data: embeddings } = await model.embed(data.test!.images, { normalize: false });
  const { data: centres, shape } = await model.classCentres();
  expect(shape).toEqual([CLASSES, SIZE]);
  expect(cosines).toHaveLength(100 * CLASSES);
  for (let image = 0; image < labels.length; image++) {
    const x = row(embeddings, image);
    for (let label = 0; label < CLASSES; label++) {
      const centre = row(centres, label);
      const expected = norm(centre) === 0 ? 0 : dot(x, centre) / (norm(x) * norm(centre));
      expect(Math.abs(cosines![image * CLASSES + label]! - expected)).toBeLessThan(1e-5);
    }
  }
  return Array.from({ length: CLASSES }, (_, label) => norm(row(centres, label)));
}

const BY_ANGLE: TrainOptions[] = [
  { head: 'normface' },
  { head: 'a-softmax', lambda: 10 },
  { head: 'am-softmax', s: 8 },
  { head: 'arcface', s: 8, m: 0.3 },
  { head: 'arcface', s: { learn: true, init: 8 }, auxiliary: 'center' },
  { head: 'combined', s: 8, logitNormalizer: 'scaled-bn' },
  { head: 'pedcc' },
];
const BY_DISTANCE: TrainOptions[] = [
  { head: 'center', weight: 0.1 },
  { head: 'softmax', auxiliary: 'center' },
  { head: 'l-softmax', lambda: 10, auxiliary: 'center' },
  { head: 'l2-softmax', auxiliary: 'center' },
];
const NONE: TrainOptions[] = [
  { head: 'softmax' },
  { head: 'softmax', bias: false },
  { head: 'l2-softmax' },
  { head: 'l-softmax', lambda: 10 },
  { head: 'scaled-bn' },
  { head: 'center', weight: 0 },
  { head: 'softmax', auxiliary: { type: 'center', weight: 0 } },
];

describe.each(BACKENDS)('%s', (device) => {
  const why = whyMissing(device);
  if (why !== '') return reportMissing(device, why);
  const run = (options: TrainOptions) => train({ data, ...small, device, ...options });

  test.each(BY_ANGLE)('%j: cosines to the unit class weights', async (options) => {
    using model = (await run(options)).model;
    for (const length of await expectCosines(model)) expect(length).toBeCloseTo(1, 5);
    // The class of the largest cosine, but where logits are normalised class by class.
    if ('logitNormalizer' in options) return;
    const { cosines, labels } = await model.predict(data.test!.images);
    labels.forEach((label, image) => {
      const cosinesOfImage = row(cosines!, image, CLASSES);
      expect(cosinesOfImage[label]).toBe(Math.max(...cosinesOfImage));
    });
  });

  test.each(BY_DISTANCE)('%j: cosines to the centres of the distance in the loss', async (options) => {
    using model = (await run(options)).model;
    const lengths = await expectCosines(model);
    expect(lengths.some((length) => Math.abs(length - 1) > 1e-3)).toBe(true);
  });

  test.each(NONE)('%j: none, and those who ask are told why', async (options) => {
    using model = (await run(options)).model;
    expect(await model.predict(data.test!.images)).not.toHaveProperty('cosines');
    const error = await refusal(() => model.classCentres());
    expect(error.code).toBe('UNSUPPORTED');
    expect(error.message).toContain(`The head ${model.head.head} has no class centres`);
    expect(error.message).toContain("auxiliary: 'center' of a weight above 0");
  });

  test.each([{ head: 'arcface', s: 8 }, { head: 'center' }, { head: 'softmax' }] as TrainOptions[])(
    '%j: whoever wants no cosines has the same probabilities without',
    async (options) => {
      using model = (await run(options)).model;
      const { images } = data.test!;
      const without = await model.predict(images, { cosines: false });
      const { cosines, ...others } = await model.predict(images, { cosines: true });
      expect(cosines === undefined).toBe(options.head === 'softmax');
      expect(without).toEqual(others);
      expect(await model.predict(images)).toEqual({ ...others, ...(cosines && { cosines }) });
      const error = await refusal(() => model.predict(images, { cosines: 'no' } as never));
      expect(error).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('true or false for cosines'),
      });
    },
  );

  test('a centre that no image has moved has no direction: its cosine is 0', async () => {
    const { images } = data.train;
    const labels = Int32Array.from(data.train.labels, (label) => Math.min(label, 8));
    const named = { ...data, train: { images, labels } };
    using model = (await run({ data: named, head: 'center' })).model;
    expect((await expectCosines(model))[9]).toBe(0);
  });

  test('an embedding of zeros has none either', async () => {
    const black = new Uint8Array(40);
    const images: ImageInput = { data: black.map((_, i) => (i < 20 ? 0 : i)), shape: [10, 2, 2, 1] };
    using model = (
      await run({
        ...{ data: { images, labels: Array.from({ length: 10 }, (_, i) => i % 2) }, head: 'arcface', s: 8 },
        ...{ model: sequential([linear({ outFeatures: 4, bias: false })]), normalize: 'unit', batchSize: 5 },
      })
    ).model;
    const { cosines } = await model.predict({ data: black.subarray(0, 4), shape: [1, 2, 2, 1] });
    expect(Array.from(cosines!)).toEqual([0, 0]);
  });
});

/**
 * At thresholds that keep 95 % of the known. Inverted images have the shapes of the known ones, so some are taken for
 * them by either measure.
 */
test('cosines reject strangers that probabilities take for known', async () => {
  using model = (
    await train({
      ...{ data: await sample(2000), head: 'arcface', m: 0.5, s: 16, epochs: 5, batchSize: 64 },
      ...{ device: 'cpu', seed: 1 },
    })
  ).model;
  const { images } = (await sample(1, 500)).test!;
  const inverted = { ...images, data: images.data.map((pixel) => 255 - pixel) };
  const [known, strangers] = [await model.predict(images), await model.predict(inverted)];
  const rejected = (measure: 'cosines' | 'probabilities') => {
    const best = (prediction: typeof known) =>
      Array.from({ length: 500 }, (_, i) => Math.max(...row(prediction[measure]!, i, CLASSES)));
    const threshold = best(known).sort((a, b) => a - b)[25]!;
    return best(strangers).filter((value) => value < threshold).length;
  };
  expect(rejected('cosines')).toBeGreaterThan(1.3 * rejected('probabilities'));
});
