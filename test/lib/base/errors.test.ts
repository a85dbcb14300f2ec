import {
  backends,
  conv2d,
  type Dataset,
  dropout,
  linear,
  MarginCoreError,
  type Model,
  models,
  sequential,
  type TrainOptions,
  train,
} from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { first, sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;

beforeAll(async () => {
  data = await sample(200, 50);
});

const run = (options: TrainOptions) => train({ data, model: tinyModel, epochs: 2, ...options });

test('options are refused as a rejection, before data is loaded', async () => {
  const promise = train({ epochs: 0, data: '/no/such/folder' });
  await expect(promise).rejects.toMatchObject({ code: 'INVALID_OPTION', details: { option: 'epochs' } });
});

test('a problem too large for memory is refused before anything is allocated, with the estimate', async () => {
  const error = await refusal(() => run({ model: models.seedCnn({ embeddingSize: 1e9 }) }));
  expect(error.code).toBe('OUT_OF_MEMORY');
  // Per dimension of the embedding: 1600 weights and a bias, and 10 class weights, of 4 bytes.
  const gib = ((1600 + 1 + 10) * 1e9 * 4) / 2 ** 30;
  expect(error.message).toContain(`GiB of memory are needed (parameters ${gib.toFixed(2)} GiB, gradients`);
  expect(error.message).toContain('free on cpu. Not even a batch of one would fit');
});

test('a label out of range names its sample', async () => {
  const labels = Int32Array.from(data.train.labels);
  labels[17] = 12;
  const broken = { ...data, train: { ...data.train, labels } };
  const error = await refusal(() => run({ data: broken }));
  expect(error.code).toBe('INVALID_DATA');
  expect(error.message).toContain('sample 17');
});

test.each<[string, ReturnType<typeof sequential>, string, string]>([
  [
    'a kernel larger than its image',
    sequential([conv2d({ name: 'wide', outChannels: 2, kernelSize: 40 })]),
    'SHAPE_MISMATCH',
    'wide',
  ],
  [
    'a layer option out of range',
    sequential([linear({ outFeatures: 4 }), dropout({ name: 'drop', rate: 1 })]),
    'INVALID_OPTION',
    'drop',
  ],
  ['a layer that does not exist', sequential([{ type: 'conv3d' } as never]), 'INVALID_OPTION', 'conv3d'],
])('%s is refused, naming it', async (_, model, code, name) => {
  const error = await refusal(() => run({ model }));
  expect(error.message).toContain(name);
  expect(error.code).toBe(code);
});

test('a network for images of another size', async () => {
  const model = { ...models.seedCnn(), input: [32, 32, 3] as const };
  const error = await refusal(() => run({ model }));
  expect(error.code).toBe('SHAPE_MISMATCH');
  expect(error.message).toContain('[32, 32, 3], which seedCnn is made for, found [28, 28, 1]');
});

test('validation images of another size', async () => {
  const validation = { images: { data: new Uint8Array(32), shape: [2, 4, 4, 1] as const }, labels: [0, 1] };
  const error = await refusal(() => run({ validation }));
  expect(error.code).toBe('SHAPE_MISMATCH');
  expect(error.message).toContain('[28, 28, 1], as in training, found [4, 4, 1]');
});

test('a fraction for validation that holds out nothing', async () => {
  const error = await refusal(() =>
    run({ data: { ...data, train: first(data.train, 12) }, validation: 0.01 }),
  );
  expect(error.message).toContain('no class has 100');
});

test("normalize with another image's number of channels", async () => {
  const error = await refusal(() => run({ normalize: { mean: [0, 0, 0], std: [1, 1, 1] } }));
  expect(error.message).toContain('1 numbers for normalize.mean');
});

test('a device that is not there says why', async () => {
  const cuda = backends().find((backend) => backend.name === 'cuda');
  if (cuda?.available) return;
  const error = await refusal(() => run({ device: 'cuda' }));
  expect(error.code).toBe('DEVICE_UNAVAILABLE');
  expect(error.message).toContain(cuda!.reason);
});

test('divergence names tensor, step and learning rate, and leaves the last good model', async () => {
  const losses: number[] = [];
  const error = await refusal(() =>
    run({
      epochs: 50,
      batchSize: 20,
      optimizer: { type: 'sgd', momentum: 0 },
      learningRate: ({ step }) => (step === 12 ? 1e38 : 1e-3),
      onStep: ({ loss }) => losses.push(loss),
    }),
  );
  expect(error).toBeInstanceOf(MarginCoreError);
  expect(error.code).toBe('NON_FINITE');
  const { tensor, step, learningRate } = error.details as {
    tensor: string;
    step: number;
    learningRate: number;
  };
  expect(error.message).toContain(`step ${step}: the ${tensor}`);
  expect(error.message).toContain(`learning rate ${learningRate}`);
  expect(losses).toHaveLength(step - 1);
  expect(losses.every(Number.isFinite)).toBe(true);
  using model = error.details.model as Model;
  expect((await model.predict(data.test!.images)).labels).toHaveLength(50);
});

test('the step that diverges moves no running statistics', async () => {
  const overflows = { type: 'center', weight: 3e38 } as const;
  const stopped = async (options: TrainOptions) => {
    const error = await refusal(() => run({ auxiliary: overflows, ...options } as TrainOptions));
    expect(error.details.step).toBe(1);
    using model = error.details.model as Model;
    return (await model.predict(data.test!.images)).probabilities;
  };
  // With their initial mean 0 and variance 1 normalised logits are the plain ones.
  const plain = await stopped({ head: 'softmax', bias: false });
  const normalized = await stopped({ head: 'scaled-bn' });
  expect(plain.every(Number.isFinite)).toBe(true);
  normalized.forEach((probability, index) => {
    expect(probability).toBeCloseTo(plain[index]!, 4);
  });
});
