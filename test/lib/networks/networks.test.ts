/** Sizes and shapes of the ready-made networks, beside what is published and what PyTorch counts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import type { ImageSize } from '../../../lib/data/imageSize.js';
import { checkHead, resolveHead } from '../../../lib/heads/resolve.js';
import { linear, type ModelDescription, models, relu, sequential, train } from '../../../lib/index.js';
import { summarizeModel } from '../../../lib/model/summary.js';
import type { NetworkSummary } from '../../../lib/native/contract.js';
import { native } from '../../../lib/native/load.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';

/** model_counts.json: what PyTorch counts in each network, without a head. */
interface Counts {
  readonly input: ImageSize;
  readonly parameters: number;
  readonly macs: number;
  readonly embeddingSize: number;
  /** Of named parts, each of one or more layers. */
  readonly outputs: Readonly<Record<string, number[]>>;
}

const COUNTS: Readonly<Record<string, Counts>> = JSON.parse(
  readFileSync(join(packageRoot(), 'test/parity/model_counts.json'), 'utf8'),
);

const SIZED = ['vgg11', 'vgg16', 'resnet18', 'resnet34', 'resnet50', 'resnext50', 'densenet121'] as const;
const IMAGE_SIZES = [224, 160, 112, 64, 32] as const;
/** Of networks wider and narrower than published, each for images of one size. */
const WIDTHS = [
  [224, 0.5],
  [64, 2],
  [32, 0.3],
] as const;

const NETWORKS: Readonly<Record<string, ModelDescription>> = {
  ...Object.fromEntries(
    SIZED.flatMap((name) =>
      IMAGE_SIZES.map((imageSize) => [`${name}-${imageSize}`, models[name]({ imageSize })]),
    ),
  ),
  'lSoftmaxNet-mnist': models.lSoftmaxNet({ dataset: 'mnist' }),
  'lSoftmaxNet-cifar10': models.lSoftmaxNet({ dataset: 'cifar10', variant: 'paper' }),
  'lSoftmaxNet-cifar100': models.lSoftmaxNet({ dataset: 'cifar100' }),
  'lSoftmaxNet-mnist-released': models.lSoftmaxNet({ dataset: 'mnist', variant: 'released' }),
  'lSoftmaxNet-cifar10-released': models.lSoftmaxNet({ dataset: 'cifar10', variant: 'released' }),
  lenetPlusPlus: models.lenetPlusPlus(),
  'lSoftmaxNet-mnist-width0.5': models.lSoftmaxNet({ dataset: 'mnist', width: 0.5 }),
  'lSoftmaxNet-cifar10-width0.5': models.lSoftmaxNet({ dataset: 'cifar10', width: 0.5 }),
  'lSoftmaxNet-cifar100-width0.5': models.lSoftmaxNet({ dataset: 'cifar100', width: 0.5 }),
  'lenetPlusPlus-width0.5': models.lenetPlusPlus({ width: 0.5 }),
  ...Object.fromEntries(
    SIZED.flatMap((name) =>
      WIDTHS.map(([imageSize, width]) => [
        `${name}-${imageSize}-width${width}`,
        models[name]({ imageSize, width }),
      ]),
    ),
  ),
};

const infer = ({ layers }: ModelDescription, [H, W, C]: ImageSize): NetworkSummary =>
  native().summarize({ input: [H, W, C], layers: [...layers] });

const macs = ({ layers }: NetworkSummary) => layers.reduce((sum, { flops }) => sum + flops / 2, 0);

/** Of the last layer of a part: 'layer1' ends with the last of 'layer1.…', 'conv1' with the last of 'conv1_…'. */
function output({ layers }: NetworkSummary, part: string) {
  return layers.findLast(
    ({ name }) => name === part || name.startsWith(`${part}.`) || name.startsWith(`${part}_`),
  )?.output;
}

test.each<[string, () => unknown]>([
  ['sequential with a number', () => sequential([relu()], 3 as never)],
  ['sequential with layers twice', () => sequential([relu()], { layers: [] } as never)],
  ['a layer of a number', () => relu(3 as never)],
  ['a layer of a list', () => linear([16] as never)],
])('%s is refused, not without effect', async (_, call) => {
  expect((await refusal(call)).code).toBe('INVALID_OPTION');
});

test('PyTorch has counted the networks that are here', () => {
  expect(Object.keys(COUNTS)).toEqual(Object.keys(NETWORKS));
});

test.each(Object.entries(NETWORKS))('%s: parameters, multiply-accumulates and shapes', (name, network) => {
  const { input, outputs, ...counts } = COUNTS[name]!;
  const summary = infer(network, input);
  const { parameters, embeddingSize } = summary;
  expect({ parameters, embeddingSize, macs: macs(summary) }).toEqual(counts);
  expect(Object.fromEntries(Object.keys(outputs).map((part) => [part, output(summary, part)]))).toEqual(
    outputs,
  );
});

/** Sizes around those at which the first layers change, faces, and the limits. */
const BETWEEN = [
  8, 9, 16, 28, 32, 33, 47, 63, 64, 65, 96, 97, 112, 127, 128, 129, 160, 192, 225, 256, 299, 512, 1024,
];

/** How many places of a side are left: the first layers keep, halve or quarter it; then it is halved `times`. */
function placesLeft(size: number, times: number, round: (value: number) => number): number {
  const first = size < 64 ? size : size < 128 ? Math.ceil(size / 2) : Math.ceil(Math.ceil(size / 2) / 2);
  return Array.from({ length: times }).reduce((side: number) => round(side / 2), first);
}

describe.each(BETWEEN)('images of %d×%d', (size) => {
  const summary = (name: (typeof SIZED)[number], input: ImageSize) =>
    infer(models[name]({ imageSize: size }), input);

  test.each(['resnet18', 'resnet34', 'resnet50', 'resnext50'] as const)('%s', (name) => {
    const left = placesLeft(size, 3, Math.ceil);
    expect(output(summary(name, [size, size, 3]), 'layer4')?.slice(0, 2)).toEqual([left, left]);
  });

  test('densenet121', () => {
    const left = placesLeft(size, 3, Math.floor);
    expect(output(summary('densenet121', [size, size, 3]), 'features.norm5')).toEqual([left, left, 1024]);
  });

  test('vgg11 and vgg16, from 32 on', async () => {
    for (const name of ['vgg11', 'vgg16'] as const) {
      if (size < 32) {
        expect((await refusal(() => models[name]({ imageSize: size }))).message).toContain('in [32, 1024]');
        continue;
      }
      const first = size < 64 || size >= 128 ? size : Math.ceil(size / 2);
      const left = Math.floor(first / 32);
      const { layers, embeddingSize } = summary(name, [size, size, 3]);
      expect(layers.findLast(({ type }) => type === 'maxPool2d')?.output).toEqual([left, left, 512]);
      expect(embeddingSize).toBe(size < 128 ? 512 : 4096);
    }
  });

  test('a longer side is taken by all', () => {
    for (const name of SIZED) {
      if (size < 32 && name.startsWith('vgg')) continue;
      expect(summary(name, [size, size + 16, 1]).embeddingSize).toBeGreaterThan(0);
    }
  });
});

/** Of faces: 112×112, and 112×96. */
const FOR_FACES: Readonly<Record<string, ModelDescription>> = {
  seedCnn: models.seedCnn(),
  lenetPlusPlus: models.lenetPlusPlus(),
  lSoftmaxNet: models.lSoftmaxNet({ dataset: 'cifar10' }),
  ...Object.fromEntries(SIZED.map((name) => [name, models[name]({ imageSize: 112 })] as const)),
};

test('every network takes faces', () => {
  expect(Object.keys(FOR_FACES).sort()).toEqual(Object.keys(models).sort());
  for (const network of Object.values(FOR_FACES)) {
    for (const width of [112, 96]) {
      expect(infer(network, [112, width, 3]).embeddingSize).toBeGreaterThan(0);
    }
  }
});

/** One of each family. */
test.each(['lSoftmaxNet', 'vgg11', 'resnet18', 'densenet121'])('%s trains on faces', async (name) => {
  const images = {
    data: new Uint8Array(2 * 112 * 96 * 3).map((_, i) => (i * 31) % 251),
    shape: [2, 112, 96, 3] as const,
  };
  const result = await train({
    ...{ data: { images, labels: [0, 1] }, model: FOR_FACES[name]!, head: 'arcface', s: 8 },
    ...{ device: 'cpu', batchSize: 2, epochs: 1 },
  });
  result.model.dispose();
  expect(result.history[0]!.loss).toBeGreaterThan(0);
});

/** Parameters, and GFLOPS of https://pytorch.org/vision/stable/models.html, which are multiply-accumulates / 1e9. */
test.each([
  ['vgg11', 132_868_840, 7.61],
  ['vgg16', 138_365_992, 15.47],
  ['resnet18', 11_689_512, 1.81],
  ['resnet34', 21_797_672, 3.66],
  ['resnet50', 25_557_032, 4.09],
  ['resnext50', 25_028_904, 4.23],
  ['densenet121', 7_978_856, 2.83],
] as const)('%s with 1,000 classes is as large as torchvision documents', (name, parameters, gigaMacs) => {
  const input: ImageSize = [224, 224, 3];
  const { native: head, effective } = resolveHead(checkHead({ head: 'softmax' }), 1000);
  const summary = summarizeModel(name, input, infer(models[name](), input), head, effective);
  expect(summary.parameters).toBe(parameters);
  expect((summary.flops / 2e9).toFixed(2)).toBe(gigaMacs.toFixed(2));
});

test.each([
  ['resnet18', ['conv1', 'bn1', 'layer1.0.conv1', 'layer1.0.bn1', 'layer2.0.downsample.0', 'layer4.1.bn2']],
  ['resnext50', ['layer1.0.conv3', 'layer1.0.bn3', 'layer1.0.downsample.1', 'layer4.2.conv2']],
  ['vgg11', ['features.0', 'features.1', 'features.4', 'features.25', 'classifier.0', 'classifier.3']],
  ['vgg16', ['features.0', 'features.40', 'features.41', 'classifier.3']],
  [
    'densenet121',
    [
      ...['features.conv0', 'features.norm0', 'features.denseblock1.denselayer1.norm1', 'features.norm5'],
      ...['features.denseblock4.denselayer16.conv2', 'features.transition3.conv'],
    ],
  ],
] as const)('%s has the layer names of torchvision', (name, expected) => {
  const trained = infer(models[name](), [224, 224, 3]).layers.filter(({ parameters }) => parameters > 0);
  expect(trained.map(({ name }) => name)).toEqual(expect.arrayContaining([...expected]));
});

test.each(SIZED)('%s: embeddingSize adds a linear layer and batch norm', (name) => {
  const { layers, embeddingSize } = infer(models[name]({ imageSize: 32, embeddingSize: 24 }), [32, 32, 3]);
  const before = COUNTS[`${name}-32`]!.embeddingSize;
  expect(embeddingSize).toBe(24);
  expect(layers.slice(-2)).toMatchObject([
    { name: 'embedding', type: 'linear', parameters: 24 * before },
    { name: 'embedding.bn', type: 'batchNorm', parameters: 48 },
  ]);
});

test('embeddingSize takes the place of the last layer where the network is made with one', () => {
  for (const network of [
    models.seedCnn({ embeddingSize: 3 }),
    models.lenetPlusPlus({ embeddingSize: 3 }),
    models.lSoftmaxNet({ dataset: 'mnist', embeddingSize: 3 }),
  ]) {
    expect(infer(network, [28, 28, 1]).embeddingSize).toBe(3);
  }
});

test('a factor of the width rounds channels to multiples of 8, never by more than a tenth downwards', () => {
  const channels = (width: number) => {
    const { layers } = models.seedCnn({ width });
    return layers.flatMap((layer) => (layer.type === 'conv2d' ? [layer.outChannels] : []));
  };
  expect(channels(1)).toEqual([32, 64]);
  expect(channels(0.5)).toEqual([16, 32]);
  expect(channels(0.01)).toEqual([8, 8]);
  expect(channels(0.3)).toEqual([16, 24]); // of 9.6 and 19.2: 8 and 16 are too few
  expect(channels(0.375)).toEqual([16, 24]); // of 12, in the middle
  expect(channels(1.1)).toEqual([32, 72]); // of 35.2 and 70.4
  expect(channels(8)).toEqual([256, 512]);
});

test('a network of another width has another name, and its embedding is as wide, if its size is not given', () => {
  const size = (network: ModelDescription) => infer(network, [32, 32, 3]).embeddingSize;
  expect(models.seedCnn({ width: 0.5 }).name).toBe('seedCnn-width0.5');
  expect(models.lSoftmaxNet({ dataset: 'cifar10', width: 0.5 }).name).toBe('lSoftmaxNet-cifar10-width0.5');
  expect(models.resnet18({ width: 1 })).toEqual(models.resnet18());
  expect(size(models.seedCnn({ width: 0.5 }))).toBe(512);
  expect(size(models.lenetPlusPlus({ width: 0.5 }))).toBe(2);
  expect(size(models.resnet50({ imageSize: 32, width: 0.25 }))).toBe(512);
  for (const network of [
    models.seedCnn({ embeddingSize: 24, width: 0.5 }),
    models.lSoftmaxNet({ dataset: 'cifar10', embeddingSize: 24, width: 0.5 }),
    models.resnet18({ imageSize: 32, embeddingSize: 24, width: 0.5 }),
  ]) {
    expect(size(network)).toBe(24);
  }
});

test('activations are those of the source', () => {
  const types = (network: ModelDescription) => network.layers.map(({ type }) => type);
  expect(types(NETWORKS['lSoftmaxNet-mnist']!)).not.toContain('relu');
  expect(types(NETWORKS['lSoftmaxNet-mnist']!).at(-1)).toBe('batchNorm');
  expect(types(NETWORKS['lSoftmaxNet-mnist-released']!)).not.toContain('prelu');
  expect(types(NETWORKS['lSoftmaxNet-mnist-released']!).at(-1)).toBe('relu');
});

test('dropout is half of the hidden units of VGG, another rate, or none', () => {
  const rates = (network: ModelDescription) =>
    network.layers.flatMap((layer) => (layer.type === 'dropout' ? [layer.rate] : []));
  expect(rates(models.vgg11())).toEqual([0.5, 0.5]);
  expect(rates(models.vgg11({ imageSize: 32, dropout: 0.25 }))).toEqual([0.25]);
  expect(rates(models.vgg16({ dropout: 0 }))).toEqual([]);
});

test.each<[keyof typeof models, unknown, string]>([
  ['resnet18', { imageSize: 7 }, 'Expected a whole number in [8, 1024] for imageSize but received 7'],
  ['vgg16', { imageSize: 28 }, 'Expected a whole number in [32, 1024] for imageSize but received 28'],
  ['resnet50', { imageSize: 1025 }, 'a whole number in [8, 1024] for imageSize'],
  ['vgg11', { imageSize: 112.5 }, 'a whole number in [32, 1024] for imageSize'],
  ['densenet121', { imageSize: '32' }, 'for imageSize but received "32" of type string'],
  ['resnet50', { embeddingSize: 0 }, 'a whole number of at least 1 for embeddingSize but received 0'],
  [
    'resnet34',
    { imagesize: 32 },
    "no value (there is no such option) for imagesize but received 32 of type number. Did you mean 'imageSize'?",
  ],
  [
    'resnext50',
    { dropout: 0.5 },
    'for dropout but received 0.5 of type number. The options are imageSize, embeddingSize',
  ],
  ['resnet18', 32, "Expected an object with the model's options for options but received 32 of type number"],
  ['vgg11', { dropout: 1 }, 'a number in [0, 1) for dropout'],
  ['resnet18', { width: 0 }, 'Expected a number in (0, 8] for width but received 0 of type number'],
  ['lSoftmaxNet', { dataset: 'mnist', width: 9 }, 'a number in (0, 8] for width but received 9'],
  ['seedCnn', { width: '0.5' }, 'for width but received "0.5" of type string'],
  ['densenet121', { widthMult: 0.5 }, "Did you mean 'width'?"],
  ['vgg11', { dropuot: 0 }, "Did you mean 'dropout'?"],
  ['seedCnn', { embedingSize: 8 }, "Did you mean 'embeddingSize'?"],
  ['lenetPlusPlus', { imageSize: 32 }, 'for imageSize but received 32'],
  ['lSoftmaxNet', undefined, "Expected an object with the model's options"],
  ['lSoftmaxNet', {}, "one of 'mnist', 'cifar10', 'cifar100' for dataset but received undefined"],
  ['lSoftmaxNet', { dataset: 'cifar-10' }, "Did you mean 'cifar10'?"],
  ['lSoftmaxNet', { dataset: 'mnist', variant: 'relesed' }, "Did you mean 'released'?"],
  ['lSoftmaxNet', { dataset: 'cifar100', variant: 'released' }, "Expected 'paper' for variant"],
])('%s(%j) is refused', async (name, options, message) => {
  const make = models[name] as (options: unknown) => ModelDescription;
  const error = await refusal(() => make(options));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain(message);
});

test('images too small for a network are refused with the layer', async () => {
  const data = await sample(20);
  const error = await refusal(() => train({ data, model: models.vgg11({ imageSize: 32 }), device: 'cpu' }));
  expect(error.code).toBe('SHAPE_MISMATCH');
  expect(error.message).toContain('layer features.28: a window of 2 does not fit an input height of 1');
});
