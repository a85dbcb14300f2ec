/** How weights start: what may be said, where it is said again, and what ready-made networks say. */
import {
  conv2d,
  type Init,
  type LayerDescription,
  linear,
  type ModelDescription,
  models,
  prelu,
  sequential,
  train,
} from '../../../lib/index.js';
import { native } from '../../../lib/native/load.js';
import { INIT_RULES } from '../../../lib/networks/init.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { type Distribution, eachStart, expectDrawnFrom } from '../../support/starts.js';

const RULES = Object.keys(INIT_RULES) as (keyof typeof INIT_RULES)[];
/** Native code has these, and no others. */
const LISTED = `${RULES.slice(0, -1)
  .map((rule) => `'${rule}'`)
  .join(', ')} or 'xavierUniform', or an object,`;

const CONV = { name: 'stem', outChannels: 2, kernelSize: 3 } as const;

const initsOf = (
  { layers, init }: Pick<ModelDescription, 'layers' | 'init'>,
  input: [number, number, number],
) =>
  Object.fromEntries(
    native()
      .summarize({ input, layers: [...layers], ...(init !== undefined && { init }) })
      .layers.flatMap((layer) => ('init' in layer ? [[layer.name, layer.init]] : [])),
  );

test("a layer's own init comes before the network's, and that before the default", () => {
  const layers = [
    conv2d(CONV),
    conv2d({ ...CONV, name: 'own', init: { std: 0.01 } }),
    linear({ outFeatures: 2 }),
  ];
  const input: [number, number, number] = [8, 8, 3];
  expect(initsOf(sequential(layers), input)).toEqual({
    ...{ stem: 'fanInUniform', own: { std: 0.01 }, fc1: 'fanInUniform' },
  });
  expect(initsOf(sequential(layers, { init: 'heNormal' }), input)).toEqual({
    ...{ stem: 'heNormal', own: { std: 0.01 }, fc1: 'heNormal' },
  });
});

test.each(RULES)('%s is a word for it', (init) => {
  expect(initsOf(sequential([conv2d(CONV)], { init }), [8, 8, 3])).toEqual({ stem: init });
});

test.each<[string, unknown, string]>([
  ['an unknown rule', 'orthogonal', `expected ${LISTED} for init but received "orthogonal" of type string`],
  ['a misspelt rule', 'heNormel', `received "heNormel" of type string. Did you mean 'heNormal'?`],
  ["PyTorch's name", 'kaiming_normal_', `"kaiming_normal_" of type string. Did you mean 'heNormal'?`],
  ['a number', 0.01, `expected ${LISTED} for init but received 0.01 of type number`],
  ['an object without std', {}, 'init.std is missing'],
  ['a misspelt std', { stdd: 1 }, "there is no option 'init.stdd'. Did you mean 'std'?"],
  ['a word for std', { std: 'small' }, 'expected a number for init.std but received "small" of type string'],
  ['a std of 0', { std: 0 }, 'expected init.std in [1e-12, 10000] but received 0'],
  ['a std that is 0 in fp32', { std: 1e-50 }, 'expected init.std in [1e-12, 10000] but received 1e-50'],
  ['a std that is infinite in fp32', { std: 1e39 }, 'expected init.std in [1e-12, 10000] but received 1e+39'],
])('%s is refused, with the place', async (_, init, message) => {
  const data = await sample(4);
  const told = (model: unknown) => refusal(() => train({ data, model, device: 'cpu' } as never));
  const given = { init } as { init: Init };
  for (const [layer, named] of [
    [conv2d({ ...CONV, ...given }), 'layer stem'],
    [linear({ outFeatures: 3, ...given }), 'layer fc1'],
  ] as [LayerDescription, string][]) {
    const error = await told({ name: 'mine', layers: [layer] });
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(message) });
    expect(error.message).toContain(named);
  }
  const error = await told({ name: 'mine', layers: [prelu()], ...given });
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(message) });
  expect(error.message).toContain('network');
});

test('null is what is not given, of a network as of a layer', () => {
  const layers = [conv2d({ ...CONV, init: null, stride: null } as never)];
  const model = sequential(layers, { init: null, input: null } as never);
  expect(model).not.toHaveProperty('init');
  expect(model).not.toHaveProperty('input');
  expect(initsOf(model, [8, 8, 3])).toEqual({ stem: 'fanInUniform' });
});

test('as an option of a run, or of a ready-made network, it is sent where it belongs', async () => {
  const answer = 'How weights start is for the network and its layers to say';
  const init = { init: 'heNormal' };
  for (const call of [
    async () => train({ data: await sample(4), ...init } as never),
    async () => models.resnet18({ imageSize: 32, ...init } as never),
  ]) {
    const error = await refusal(call);
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain(answer);
  }
  const { layers, init: started } = { ...models.resnet18({ imageSize: 32 }), ...init };
  expect([layers.length > 0, started]).toEqual([true, 'heNormal']);
});

test('result.options says it again, and repeats the run', async () => {
  const model = sequential([conv2d({ ...CONV, init: { std: 0.02 } }), linear({ outFeatures: 3 })], {
    init: 'xavierNormal',
  });
  expect(model).toMatchObject({ init: 'xavierNormal', layers: [{ init: { std: 0.02 } }, {}] });
  const data = await sample(20);
  const first = await train({ data, model, epochs: 1, batchSize: 10, device: 'cpu' });
  expect(first.options.model).toEqual(model);
  const [stem, fc] = first.model.summary().layers;
  expect([stem!.init, fc!.init]).toEqual([{ std: 0.02 }, 'xavierNormal']);
  const again = await train({ ...first.options, data });
  const otherwise = await train({ ...first.options, data, model: { ...model, init: 'heNormal' } });
  expect(again.history[0]!.loss).toBe(first.history[0]!.loss);
  expect(otherwise.history[0]!.loss).not.toBe(first.history[0]!.loss);
  for (const { model } of [first, again, otherwise]) model.dispose();
});

const sized = (name: 'resnet34' | 'resnet50' | 'vgg16', imageSize: 32 | 64 | 224) =>
  [`${name}-${imageSize}`, models[name]({ imageSize, embeddingSize: 8 }), imageSize] as const;

/** Those that test/parity/starts.test.ts does not draw, by the words that it has checked. */
test.each([sized('resnet34', 32), sized('resnet50', 64), sized('vgg16', 224), sized('vgg16', 64)])(
  "%s starts as torchvision's of its family, its embedding as PyTorch's linear layers",
  (_, network, size) => {
    for (const [name, init] of Object.entries(initsOf(network, [size, size, 3]))) {
      const expected =
        name === 'embedding'
          ? 'fanInUniform'
          : name.startsWith('classifier.')
            ? { std: 0.01 }
            : 'heNormalFanOut';
      expect([name, init]).toEqual([name, expected]);
    }
  },
);

/** Channels that a convolution reads × the places of its kernel. */
const fanIn = (channels: number, kernel: number) => channels * kernel ** 2;
const msra = (fan: number): Distribution => ['normal', Math.sqrt(2 / fan)];
/** Caffe's, of fan-in alone. */
const xavier = (fan: number): Distribution => ['uniform', Math.sqrt(3 / fan)];

/** Weights in the published files; all their biases start at 0, scales of batch norms at 1, slopes at 0.25. */
test.each<[string, ModelDescription, [number, number, number], Record<string, Distribution>]>([
  [
    // wy1iu/LargeMargin_Softmax_Loss, myexamples/mnist/model/mnist_train_test.prototxt: msra
    'L-Softmax for MNIST',
    models.lSoftmaxNet({ dataset: 'mnist', variant: 'released' }),
    [28, 28, 1],
    {
      pre_conv: msra(fanIn(1, 3)),
      conv1_1: msra(fanIn(64, 3)),
      conv2_1: msra(fanIn(64, 3)),
      conv2_3: msra(fanIn(128, 3)),
      conv3_1: msra(fanIn(128, 3)),
      conv3_3: msra(fanIn(256, 3)),
      ip1: msra(fanIn(256, 3)),
    },
  ],
  [
    // myexamples/cifar10/model/cifar_train_test.prototxt: msra. The paper (sec. 5.1) says the same.
    'L-Softmax for CIFAR-10, of the paper',
    models.lSoftmaxNet({ dataset: 'cifar10' }),
    [32, 32, 3],
    {
      pre_conv: msra(fanIn(3, 3)),
      conv2_1: msra(fanIn(64, 3)),
      conv3_4: msra(fanIn(128, 3)),
      ip1: msra(2048),
    },
  ],
  [
    // ydwen/caffe-face, mnist_example/mnist_train_test.prototxt: xavier
    'LeNet++',
    models.lenetPlusPlus(),
    [28, 28, 1],
    {
      conv1_1: xavier(fanIn(1, 5)),
      conv1_2: xavier(fanIn(32, 5)),
      conv2_1: xavier(fanIn(32, 5)),
      conv3_2: xavier(fanIn(128, 5)),
      embedding: xavier(fanIn(128, 3)),
    },
  ],
  [
    "the seed CNN, as PyTorch's layers but for their biases",
    models.seedCnn(),
    [28, 28, 1],
    {
      conv1: ['uniform', 1 / 5],
      conv2: ['uniform', 1 / Math.sqrt(fanIn(32, 3))],
      embedding: ['uniform', 1 / Math.sqrt(fanIn(64, 5))],
    },
  ],
])('%s', async (_, network, input, weights) => {
  const expected = new Map(Object.entries(weights));
  await eachStart(network, input, 1, (name, values) => {
    const [layer, what] = [name.slice(0, name.lastIndexOf('.')), name.slice(name.lastIndexOf('.') + 1)];
    if (what === 'bias' || what === 'runningMean') expectDrawnFrom(name, values, ['constant', 0]);
    else if (expected.has(layer)) expectDrawnFrom(name, values, expected.get(layer)!);
    expected.delete(what === 'weight' ? layer : '');
  });
  expect([...expected.keys()]).toEqual([]);
});
