/** Names of layers to rates, and what training then changes and leaves alone. */
import { usingFile } from '../../../lib/files/tensorFile.js';
import {
  batchNorm,
  conv2d,
  type Dataset,
  globalAveragePool,
  linear,
  Model,
  prelu,
  relu,
  sequential,
  type TrainOptions,
  train,
} from '../../../lib/index.js';
import { layerRates } from '../../../lib/training/layerRates.js';
import { randomModel } from '../../support/randomModel.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

const NAMES = ['conv1', 'relu', 'layer1.0.conv1', 'layer1.1.conv1', 'layer10.0.conv1', 'layer2', 'fc'];
const LAYERS = NAMES.map((name) => ({ name, parameters: name === 'relu' ? 0 : 1 }));

const rates = (freeze: string[], layerLr: Record<string, number> = {}) => {
  const found = layerRates(LAYERS, freeze, layerLr);
  return found && [...found];
};

test('a name is that of a layer, or the beginning of names up to a dot', () => {
  expect(rates([])).toBeUndefined();
  expect(rates(['layer1'])).toEqual([1, 0, 0, 0, 1, 1, 1]);
  expect(rates(['layer1.1', 'conv1'])).toEqual([0, 0, 1, 0, 1, 1, 1]);
  expect(rates(['layer2'])).toEqual([1, 0, 1, 1, 1, 0, 1]);
  expect(rates(['all'])).toEqual([0, 0, 0, 0, 0, 0, 0]);
});

test('of several rates the one with the longest name holds, and what is frozen has none', () => {
  expect(rates([], { 'layer1.1': 4, all: 0.5, layer1: 2 })).toEqual([0.5, 0, 2, 4, 0.5, 0.5, 0.5]);
  expect(rates(['layer1.0'], { layer1: 2 })).toEqual([1, 0, 0, 2, 1, 1, 1]);
});

test.each([
  [
    ['layr1'],
    {},
    /for freeze but received "layr1".*Did you mean 'layer1'\? This network has conv1, layer1, /,
  ],
  [['layer'], {}, /for freeze but received "layer"/],
  [['layer1.'], {}, /for freeze but received "layer1."/],
  [['layer1.0.conv'], {}, /Did you mean 'layer1.0.conv1'\?/],
  [['head'], {}, /The head is trained in any case, at the rate that headLr gives it/],
  [[], { layer3: 0.1 }, /for layerLr but received "layer3"/],
  [['relu'], {}, /a layer with parameters for freeze but received "relu".*This network has conv1, /],
  [['layer1', 'relu'], {}, /a layer with parameters for freeze but received "relu"/],
  [[], { relu: 0.1 }, /a layer with parameters for layerLr but received "relu"/],
  [
    ['conv1', 'layer1', 'layer10', 'layer2', 'fc'],
    { all: 0.5 },
    /freeze has all of its layers\) for layerLr.all/,
  ],
  [
    [],
    { layer1: 2, 'layer1.0': 3, 'layer1.1': 4 },
    /longer names have all of its layers\) for layerLr.layer1 /,
  ],
  [[], { layer10: 2, 'layer10.0': 3 }, /longer names have all of its layers\) for layerLr.layer10 /],
  [['layer1.1'], { layer1: 2, 'layer1.0': 3 }, /longer names have all of its layers\) for layerLr.layer1 /],
  [[], { ['__proto__']: 0.1 }, /for layerLr but received "__proto__"/],
  [['layer1'], { 'layer1.0': 0.1 }, /no value \(freeze has all of its layers\) for layerLr.layer1.0/],
])('%j with %j is refused', (freeze, layerLr, message) => {
  expect(() => rates(freeze, layerLr as Record<string, number>)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) }),
  );
});

test.each<[unknown, RegExp]>([
  [{ freeze: 5 }, /freeze but received 5/],
  [{ freeze: ['conv1', ''] }, /a text for freeze\[1\]/],
  [{ layerLr: { conv1: 0 } }, /a number above 0 for layerLr.conv1 but received 0.*freeze/],
  [{ layerLr: { conv1: -1 } }, /a number above 0 for layerLr.conv1 but received -1.*freeze/],
  [{ layerLr: { conv1: 1e-60 } }, /a number above 0 for layerLr.conv1/],
  [{ layerLr: { conv1: '1' } }, /a number for layerLr.conv1/],
  [{ layerLr: 0.1 }, /an object of factors by the names of layers for layerLr/],
  [{ freeze: 'all', head: 'pedcc', model: sequential([linear({ outFeatures: 16 })]) }, /nothing to train/],
])('%j is refused', async (options, message) => {
  const error = await refusal(() => train({ ...(options as TrainOptions), progress: false }));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });
});

const LAYERS_OF_NETWORK = [
  conv2d({ name: 'stem.conv', outChannels: 4, kernelSize: 5, stride: 2, bias: false }),
  batchNorm({ name: 'stem.norm' }),
  relu(),
  conv2d({ name: 'body.conv', outChannels: 6, kernelSize: 3, stride: 2, bias: false }),
  batchNorm({ name: 'body.norm' }),
  prelu({ name: 'body.prelu' }),
  globalAveragePool(),
  linear({ name: 'top', outFeatures: 8 }),
];

let data: Dataset;
let weights: string;
let start: Map<string, Float32Array>;

beforeEach(async () => {
  data = await sample(60, 20);
  using source = await randomModel(sequential(LAYERS_OF_NETWORK), [28, 28, 1], { head: 'softmax' }, 10);
  weights = inFolder('weights.safetensors');
  await source.save(weights);
  start = await tensorsOf(source);
});

async function tensorsOf(model: Model): Promise<Map<string, Float32Array>> {
  const path = inFolder(`model ${Math.random()}`);
  await model.save(path);
  return usingFile(path, async (file) => {
    const tensors = new Map<string, Float32Array>();
    for (const name of file.tensors.keys()) tensors.set(name, await file.floats(name));
    return tensors;
  });
}

const fineTune = (options: TrainOptions) =>
  train({
    data,
    model: sequential(LAYERS_OF_NETWORK, { weights }),
    epochs: 2,
    batchSize: 20,
    device: 'cpu',
    deterministic: true,
    progress: false,
    ...options,
  });

/** Names of the network's tensors that training left as they were in the file, to the bit. */
async function unchanged(options: TrainOptions): Promise<string[]> {
  const { model } = await fineTune(options);
  using trained = model;
  const after = await tensorsOf(trained);
  expect([...after.keys()].sort()).toEqual([...start.keys()].sort());
  return [...start.keys()]
    .filter((name) => !name.startsWith('head.'))
    .filter((name) => Buffer.from(after.get(name)!.buffer).equals(Buffer.from(start.get(name)!.buffer)))
    .sort();
}

describe.each(['sgd', 'adam', 'adamw'] as const)('with %s', (optimizer) => {
  test.each([
    [['stem'], /^stem\./],
    [['body'], /^body\./],
    [['stem', 'body.norm'], /^(stem|body\.norm)\./],
    [['all'], /./],
  ])('%j keeps its weights, slopes and statistics, and nothing else does', async (freeze, pattern) => {
    const kept = [...start.keys()].filter((name) => pattern.test(name) && !name.startsWith('head.'));
    expect(await unchanged({ freeze, optimizer: { type: optimizer, weightDecay: 0.1 } })).toEqual(
      kept.sort(),
    );
  });
});

test('nothing is kept where nothing is frozen', async () => {
  expect(await unchanged({})).toEqual([]);
});

test('a file of a run with frozen layers is a model like others', async () => {
  const { model } = await fineTune({ freeze: 'stem' });
  using trained = model;
  const path = inFolder('fine-tuned');
  await trained.save(path);
  using loaded = await Model.load(path, { device: 'cpu' });
  expect(await loaded.predict(data.test!.images)).toEqual(await trained.predict(data.test!.images));
});

test('all frozen takes single images, as no batch norm needs others', async () => {
  expect(await refusal(() => fineTune({ batchSize: 1 }))).toMatchObject({ code: 'INVALID_OPTION' });
  const { model, history } = await fineTune({ batchSize: 1, epochs: 1, freeze: ['stem', 'body'] });
  model.dispose();
  expect(history[0]!.loss).toBeGreaterThan(0);
});

test('the options in force repeat the run', async () => {
  const options: TrainOptions = { freeze: 'stem.conv', layerLr: { all: 0.5, top: 2 } };
  const first = await fineTune(options);
  using one = first.model;
  expect(first.options).toMatchObject({ freeze: ['stem.conv'], layerLr: { all: 0.5, top: 2 } });
  const again = await train({ ...first.options, data, progress: false });
  using two = again.model;
  expect(await tensorsOf(two)).toEqual(await tensorsOf(one));
});

test('layers that are frozen at random weights are named', async () => {
  const codes = async (options: TrainOptions) => {
    const { model, notes } = await fineTune({ epochs: 1, ...options });
    model.dispose();
    return notes.filter(({ code }) => code === 'FROZEN_UNTRAINED').map(({ message }) => message);
  };
  const model = sequential(LAYERS_OF_NETWORK);
  expect(await codes({ model, freeze: ['stem', 'body'] })).toEqual([
    expect.stringMatching(/^freeze keeps stem, body at the random weights of the seed/),
  ]);
  expect(await codes({ freeze: 'stem' })).toEqual([]);
  expect(await codes({ model, layerLr: { stem: 0.1 } })).toEqual([]);
});

test('memory is that of what is trained', async () => {
  const memoryWith = async (freeze: string[]) => {
    const { model, environment } = await fineTune({ freeze });
    model.dispose();
    return environment.memory;
  };
  const [whole, part, head] = [await memoryWith([]), await memoryWith(['stem']), await memoryWith(['all'])];
  for (const purpose of ['gradients', 'optimizer', 'activations'] as const) {
    expect(part[purpose]).toBeLessThan(whole[purpose]);
    expect(head[purpose]).toBeLessThan(part[purpose]);
  }
  expect(head.parameters).toBe(whole.parameters);
});
