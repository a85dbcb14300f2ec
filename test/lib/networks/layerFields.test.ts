/** A layer's options are read in native code, which refuses what it does not know, and says what each layer reads. */
import {
  batchNorm,
  concat,
  conv2d,
  type LayerDescription,
  linear,
  maxPool2d,
  models,
  relu,
  residual,
  sequential,
  train,
} from '../../../lib/index.js';
import { native } from '../../../lib/native/load.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';

const summarize = (...layers: unknown[]) =>
  native().summarize({ input: [8, 8, 3], layers: layers as LayerDescription[] });

/** The addon's own error; the facade's has the same code and message. */
function refused(...layers: unknown[]): { code: string; message: string } {
  try {
    summarize(...layers);
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('nothing was thrown');
}

const conv = { type: 'conv2d', outChannels: 2, kernelSize: 3 };

test.each<[string, unknown[], string]>([
  [
    'a misspelt option',
    [{ ...conv, strides: 2 }],
    "layer conv1 (conv2d): there is no option 'strides'. Did you mean 'stride'?",
  ],
  [
    'one of a layer with a name',
    [{ ...conv, name: 'stem', dilation: 2 }],
    "layer stem (conv2d): there is no option 'dilation'. The options are outChannels, kernelSize, stride, padding, bias, groups, init, name, type",
  ],
  [
    'a shorter name of batch norm',
    [{ ...conv }, { type: 'batchNorm', eps: 5 }],
    "layer bn1 (batchNorm): there is no option 'eps'",
  ],
  [
    'a misspelt shortcut, which would be the identity',
    [{ type: 'residual', body: [], shortcutt: [conv] }],
    "layer add1 (residual): there is no option 'shortcutt'. Did you mean 'shortcut'?",
  ],
  [
    'one inside a branch',
    [{ type: 'concat', branches: [[], [conv, { type: 'prelu', shard: true }]] }],
    "layer prelu1 (prelu): there is no option 'shard'. Did you mean 'shared'?",
  ],
  ['a missing option', [{ type: 'conv2d', outChannels: 2 }], 'layer conv1 (conv2d): kernelSize is missing'],
  [
    'one that is undefined',
    [{ type: 'linear', outFeatures: undefined }],
    'layer fc1 (linear): outFeatures is missing',
  ],
  [
    'text for a number',
    [{ ...conv, stride: '2' }],
    'layer conv1 (conv2d): expected a whole number for stride but received "2" of type string',
  ],
  [
    'a number for true or false',
    [{ ...conv, bias: 0 }],
    'layer conv1 (conv2d): expected true or false for bias but received 0 of type number',
  ],
  [
    'a fraction',
    [{ ...conv, kernelSize: 1.5 }],
    'layer conv1 (conv2d): expected a whole number or [height, width] for kernelSize but received 1.5 of type number',
  ],
  [
    'text in an array',
    [{ ...conv, kernelSize: [3, '3'] }],
    'expected a whole number or [height, width] for kernelSize but received an array',
  ],
  [
    'a word for padding',
    [{ ...conv, padding: 'valid' }],
    `expected a whole number or 'same' for padding but received "valid" of type string`,
  ],
  [
    'a number out of range',
    [{ ...conv, kernelSize: 0 }],
    'layer conv1: expected kernelSize of at least 1 but received 0',
  ],
  [
    'a number beyond 32 bits',
    [{ ...conv, stride: 2 ** 32 + 1 }],
    'layer conv1: expected stride of at most 2147483647 but received 4294967297',
  ],
  ['a layer without a type', [{ outFeatures: 3 }], 'a layer has no type. There are conv2d, relu, '],
  ['filters', [{ ...conv, filters: 4 }], "there is no option 'filters'. Did you mean 'outChannels'?"],
  ['strides', [{ ...conv, strides: 2 }], "there is no option 'strides'. Did you mean 'stride'?"],
  ['kernel_size', [{ ...conv, kernel_size: 2 }], "'kernel_size'. Did you mean 'kernelSize'?"],
  ['pool_size', [{ type: 'maxPool2d', pool_size: 2 }], "'pool_size'. Did you mean 'kernelSize'?"],
  ['units', [{ type: 'linear', units: 2 }], "'units'. Did you mean 'outFeatures'?"],
  ['out_features', [{ type: 'linear', out_features: 2 }], "'out_features'. Did you mean 'outFeatures'?"],
  ['use_bias', [{ ...conv, use_bias: false }], "'use_bias'. Did you mean 'bias'?"],
  ['eps', [{ type: 'batchNorm', eps: 1e-3 }], "'eps'. Did you mean 'epsilon'?"],
  ['p', [{ type: 'dropout', p: 0.5 }], "'p'. Did you mean 'rate'?"],
  ['activation', [{ ...conv, activation: 'relu' }], 'An activation is a layer of its own, such as relu().'],
  ['in_channels', [{ ...conv, in_channels: 3 }], 'What goes in is known from the layer before.'],
  [
    'padding in capitals',
    [{ ...conv, padding: 'SAME' }],
    "a whole number or 'same' for padding but received \"SAME\" of type string. Did you mean 'same'?",
  ],
  ['padding: valid', [{ ...conv, padding: 'valid' }], 'Without padding it is 0.'],
  ['dense', [{ type: 'dense' }], "layer type 'dense' is unknown. Did you mean 'linear'?"],
  ['BatchNorm2d', [{ type: 'BatchNorm2d' }], "Did you mean 'batchNorm'?"],
  ['flatten', [{ type: 'flatten' }], 'A linear layer flattens what goes in.'],
  ['a misspelt type', [{ type: 'conv2D' }], "layer type 'conv2D' is unknown. Did you mean 'conv2d'?"],
  ['no layer at all', [conv, 'relu'], 'expected a layer, such as relu(), but received "relu" of type string'],
  [
    'a branch that is no list',
    [{ type: 'concat', branches: [conv] }],
    'layer concat1 (concat): expected an array of layers for branches but received an object',
  ],
])('%s is refused', (_, layers, message) => {
  expect(refused(...layers)).toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining(message),
  });
});

type Type = LayerDescription['type'];

/** Every option that types allow: those that native code reads. */
const EVERYTHING: { [T in Type]: Required<Extract<LayerDescription, { type: T }>> } = {
  conv2d: {
    ...{ type: 'conv2d', name: 'a', outChannels: 2, kernelSize: [3, 3], stride: 1, padding: 'same' },
    ...{ bias: true, groups: 1, init: 'heNormal' },
  },
  relu: { type: 'relu', name: 'a' },
  prelu: { type: 'prelu', name: 'a', shared: true, init: 0.1 },
  batchNorm: { type: 'batchNorm', name: 'a', epsilon: 1e-3, momentum: 0.5 },
  maxPool2d: { type: 'maxPool2d', name: 'a', kernelSize: 2, stride: 1, padding: 1 },
  averagePool2d: { type: 'averagePool2d', name: 'a', kernelSize: 2, stride: 1, padding: 1 },
  globalAveragePool: { type: 'globalAveragePool', name: 'a' },
  linear: { type: 'linear', name: 'a', outFeatures: 3, bias: false, init: { std: 0.01 } },
  dropout: { type: 'dropout', name: 'a', rate: 0.5 },
  residual: { type: 'residual', name: 'a', body: [], shortcut: [] },
  concat: { type: 'concat', name: 'a', branches: [[], []] },
};

test('there are the types of layers that are described here', () => {
  const listed = refused({ type: 'attention' }).message.split('There are ')[1]!;
  expect(listed.split(', ').sort()).toEqual(Object.keys(EVERYTHING).sort());
});

test.each(Object.entries(EVERYTHING))('%s has the options that are described here', (_, layer) => {
  expect(summarize(layer).layers).toHaveLength(1);
  const listed = refused({ ...layer, somethingElse: 1 }).message.split('The options are ')[1]!;
  expect(listed.split(', ').sort()).toEqual(Object.keys(layer).sort());
});

test('train() says so in its own error', async () => {
  const model = sequential([conv2d({ ...conv, strides: 2 } as never), linear({ outFeatures: 4 })]);
  const error = await refusal(async () => train({ data: await sample(20), model, device: 'cpu' }));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain("layer conv1 (conv2d): there is no option 'strides'");
});

test('what is undefined or null is absent', () => {
  const given = { type: 'conv2d', outChannels: 2, kernelSize: [3, 1], stride: null, padding: undefined };
  expect(summarize({ ...given, strides: undefined }).layers).toMatchObject([
    { output: [6, 8, 2], parameters: 3 * 3 * 2 + 2 },
  ]);
});

test('what a prototype brings along is not an option', () => {
  const layer = Object.assign(Object.create({ note: 'inherited' }), conv);
  expect(summarize(layer).layers).toHaveLength(1);
});

test.each([
  ['head', { head: { numClasses: 2, margn: 1 } }, "head: there is no option 'margn'"],
  ['optimizer', { optimizer: { type: 'sgd', lr: 1 } }, "optimizer: there is no option 'lr'"],
  [
    'optimizer',
    { optimizer: { type: 'adm' } },
    `optimizer: expected 'sgd', 'adam' or 'adamw' for type but received "adm"`,
  ],
])('the %s of a session is read in the same way', (_, wrong, message) => {
  const config = {
    ...{ backend: 'cpu', deviceIndex: 0, threads: 1, seed: 1, batchSize: 0 },
    ...{ mean: new Float32Array(3), std: new Float32Array(3) },
    network: { input: [8, 8, 3], layers: [{ type: 'relu' }] },
    head: { numClasses: 2 },
    optimizer: { type: 'sgd' },
  };
  const { Session } = native();
  expect(() => new Session({ ...config, ...wrong } as never)).toThrow(message);
});

test('the summary names the layers that each layer reads', () => {
  const { layers } = summarize(
    conv2d({ name: 'stem', outChannels: 2, kernelSize: 1 }),
    residual({ name: 'sum', body: [batchNorm()], shortcut: [conv2d({ outChannels: 2, kernelSize: 1 })] }),
    concat({ branches: [[], [relu()]] }),
    maxPool2d({ kernelSize: 2 }),
  );
  expect(layers.map(({ name, type, inputs }) => [name, type, inputs])).toEqual([
    ['stem', 'conv2d', ['image']],
    ['bn1', 'batchNorm', ['stem']],
    ['conv2', 'conv2d', ['stem']],
    ['sum', 'add', ['bn1', 'conv2']],
    ['relu1', 'relu', ['sum']],
    ['concat1', 'concat', ['sum', 'relu1']],
    ['maxPool1', 'maxPool2d', ['concat1']],
  ]);
});

test("a model's summary continues to the head, which reads the last layer", async () => {
  const result = await train({
    ...{ data: await sample(20), model: models.seedCnn({ embeddingSize: 3 }), device: 'cpu' },
    ...{ epochs: 1, batchSize: 10, head: 'arcface' },
  });
  const [last, head] = result.model.summary().layers.slice(-2);
  expect(head).toMatchObject({ type: 'head', inputs: [last!.name] });
  result.model.dispose();
});

test.each<[string, unknown[], string]>([
  [
    'a type that is no word',
    [{ type: 3 }],
    'expected the type of a layer, a word, but received 3 of type number',
  ],
  [
    "the input's name",
    [{ type: 'relu', name: 'image' }],
    "layer image: the name stands for the network's input",
  ],
  ["the head's name", [{ type: 'relu', name: 'head' }], "layer head: the name stands for the network's head"],
])('%s is refused', (_, layers, message) => {
  expect(refused(...layers)).toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining(message),
  });
});

describe('layers that would end a careless program', () => {
  test.each<[string, Record<string, unknown>]>([
    ['an output of 2^66 numbers', { outChannels: 4296, kernelSize: 1, padding: 71407612, bias: false }],
    ['an output of 2^62 numbers', { outChannels: 2 ** 14, kernelSize: 1, padding: 2 ** 23 - 4 }],
    ['2^62 weights', { outChannels: 4, kernelSize: [2 ** 30, 2 ** 30], padding: 2 ** 29 - 4 }],
  ])('%s', async (_, options) => {
    const layers = [{ type: 'conv2d', ...options }, { type: 'globalAveragePool' }] as LayerDescription[];
    expect(refused(...layers).code).toBe('SHAPE_MISMATCH');
    const error = await refusal(async () => train({ data: await sample(4), model: sequential(layers) }));
    expect(error.code).toBe('SHAPE_MISMATCH');
  });

  test('one that contains itself', async () => {
    const cyclic = { type: 'residual', body: [] as unknown[] };
    cyclic.body.push(cyclic);
    expect(refused(cyclic).message).toContain('at most 64 deep');
    const model = sequential([cyclic as unknown as LayerDescription]);
    const error = await refusal(async () => train({ data: await sample(4), model }));
    expect(error).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('at most 64 deep'),
    });
  });

  test('one in which parts are shared, level by level', () => {
    let layer: unknown = { type: 'relu' };
    for (let level = 0; level < 20; level++) layer = { type: 'residual', body: [layer], shortcut: [layer] };
    expect(refused(layer).message).toContain('at most 65536 layers');
  });
});

test.each<[unknown, string]>([
  [{ name: 'mine', layers: [{ type: 'relu' }], inptu: [8, 8, 3] }, 'model.inptu'],
])('%j: a key of a model that there is not is refused', async (model, message) => {
  const error = await refusal(async () => train({ data: await sample(4), model } as never));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(message) });
});
