/** Networks that begin with weights of a file: ours, and those that go out to PyTorch and come back. */
import { writeSafetensors } from '../../../lib/files/safetensors.js';
import { usingFile } from '../../../lib/files/tensorFile.js';
import {
  batchNorm,
  conv2d,
  type Dataset,
  linear,
  type Model,
  models,
  relu,
  schedules,
  sequential,
  type TrainOptions,
  train,
} from '../../../lib/index.js';
import { randomModel } from '../../support/randomModel.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const INPUT = [28, 28, 1] as const;

/** A layer of each kind that has weights, and a linear one that reads an image. */
const network = (outFeatures = 6) => [
  conv2d({ name: 'first', outChannels: 3, kernelSize: [5, 3], stride: 3 }),
  batchNorm({ name: 'norm' }),
  relu(),
  linear({ name: 'last', outFeatures }),
];

let data: Dataset;
let source: Model;

beforeAll(async () => {
  data = await sample(40, 20);
  source = await randomModel(sequential(network()), INPUT, { head: 'softmax' }, 10);
});

afterAll(() => source.dispose());

/** A step with a rate of 0 changes nothing but running statistics. */
const start = (weights: string, layers = network(), options: TrainOptions = {}) =>
  train({
    ...{
      data,
      model: sequential(layers, { weights }),
      epochs: 1,
      batchSize: 40,
      device: 'cpu',
      progress: false,
    },
    learningRate: schedules.constant(0),
    ...options,
  });

/** Weights without batch statistics: what the first layers make of images is then the same for both. */
async function firstWeights(model: Model, name: string): Promise<Float32Array> {
  const path = inFolder(`read ${name} ${Math.random()}`);
  await model.exportPyTorch(path);
  return usingFile(path, (file) => file.floats(name));
}

test.each(['margincore', 'PyTorch'])(
  'a file for %s gives the network its weights, and the head new ones',
  async (form) => {
    const path = inFolder('weights');
    await (form === 'PyTorch' ? source.exportPyTorch(path) : source.save(path));
    const { model, notes } = await start(path, network(), { head: 'arcface' });
    using loaded = model;
    for (const name of [
      'first.weight',
      'first.bias',
      'norm.weight',
      'norm.bias',
      'last.weight',
      'last.bias',
    ]) {
      expect([name, ...(await firstWeights(loaded, name))]).toEqual([
        name,
        ...(await firstWeights(source, name)),
      ]);
    }
    expect(await firstWeights(loaded, 'head.weight')).not.toEqual(await firstWeights(source, 'head.weight'));
    expect(notes.map(({ code }) => code)).not.toContain('WEIGHTS_INCOMPLETE');
  },
);

test('layers that the file lacks, and tensors that the network lacks, are named', async () => {
  const path = inFolder('weights');
  await source.exportPyTorch(path);
  const layers = [...network().slice(0, 3), linear({ name: 'other', outFeatures: 4 })];
  const { model, notes } = await start(path, layers);
  model.dispose();
  expect(notes.find(({ code }) => code === 'WEIGHTS_INCOMPLETE')!.message).toMatch(
    /lacks other\.weight, other\.bias, which start.*no place for last\.weight, last\.bias$/,
  );
});

test('weights of a network of another width are refused by the first tensor', async () => {
  const path = inFolder('half');
  const half = await randomModel(models.seedCnn({ width: 0.5 }), INPUT, { head: 'softmax' }, 10);
  await half.exportPyTorch(path);
  half.dispose();
  const run = (weights: string, width: number) =>
    train({ data, model: models.seedCnn({ weights, width }), epochs: 1, device: 'cpu', progress: false });
  expect(await refusal(() => run(path, 1))).toMatchObject({
    code: 'WEIGHTS_MISMATCH',
    message: expect.stringContaining("'conv1.weight' has shape [16, 1, 5, 5], the network's [32, 1, 5, 5]"),
  });
  (await run(path, 0.5)).model.dispose();
});

test('a tensor of another shape is refused by name, and so is a file without any', async () => {
  const path = inFolder('weights');
  await source.exportPyTorch(path);
  expect(await refusal(() => start(path, network(7)))).toMatchObject({
    code: 'WEIGHTS_MISMATCH',
    message: expect.stringMatching(/'last\.weight' has shape \[6, \d+\], the network's \[7, \d+\]/),
  });
  const none = inFolder('none');
  const values = async () => [new Float32Array(1)];
  await writeSafetensors(none, [{ name: 'encoder.weight', shape: [1], dtype: 'F32', values }], {
    format: 'pt',
  });
  expect(await refusal(() => start(none))).toMatchObject({ code: 'WEIGHTS_MISMATCH' });
  expect(await refusal(() => start(inFolder('absent')))).toMatchObject({ code: 'FILE_NOT_FOUND' });
});

test.each([
  models.resnet18({ weights: 'a', imageSize: 32 }),
  models.vgg11({ weights: 'a' }),
  models.densenet121({ weights: 'a' }),
  models.seedCnn({ weights: 'a' }),
  models.lenetPlusPlus({ weights: 'a' }),
  models.lSoftmaxNet({ weights: 'a', dataset: 'mnist' }),
])('$name takes a file of weights', ({ weights }) => {
  expect(weights).toBe('a');
});
