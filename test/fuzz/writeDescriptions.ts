/**
 * `scripts/fuzz --native`: what the fuzzer of native descriptions begins with, and the words that it knows. Right descriptions: ready-made
 * networks, a network with a layer of every kind, and every head.
 *   node writeDescriptions.js FOLDER    writes FOLDER/seeds/ and FOLDER/words
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkHead, HEAD_NAMES, resolveHead } from '../../lib/heads/resolve.js';
import {
  averagePool2d,
  batchNorm,
  concat,
  conv2d,
  dropout,
  globalAveragePool,
  linear,
  maxPool2d,
  models,
  prelu,
  relu,
  residual,
  sequential,
} from '../../lib/index.js';
import type { NativeHead, NativeOptimizer, NativeSessionConfig } from '../../lib/native/contract.js';
import { native } from '../../lib/native/load.js';
import type { ModelDescription } from '../../lib/networks/index.js';

const everyLayer = sequential(
  [
    conv2d({ outChannels: 4, kernelSize: 5, padding: 'same', init: 'heNormal', name: 'first' }),
    conv2d({ outChannels: 4, kernelSize: [3, 5], padding: 2 }),
    batchNorm({ epsilon: 1e-4, momentum: 0.2 }),
    prelu({ shared: true, init: 0.1 }),
    residual({ body: [conv2d({ outChannels: 4, kernelSize: 1, groups: 2 })], shortcut: [relu()] }),
    concat({ branches: [[], [conv2d({ outChannels: 1, kernelSize: 3, padding: 1, bias: false }), relu()]] }),
    maxPool2d({ kernelSize: 3, stride: 2, padding: 1 }),
    averagePool2d({ kernelSize: 2 }),
    dropout({ rate: 0.5 }),
    globalAveragePool(),
    linear({ outFeatures: 3, init: { std: 0.01 } }),
  ],
  { init: 'heNormal' },
);

const NETWORKS: [ModelDescription, [number, number, number]][] = [
  [everyLayer, [12, 12, 2]],
  [models.seedCnn({ embeddingSize: 16 }), [28, 28, 1]],
  [models.lSoftmaxNet({ dataset: 'mnist' }), [28, 28, 1]],
  [models.vgg11({ imageSize: 32 }), [32, 32, 3]],
  [models.resnet18({ imageSize: 32 }), [32, 32, 3]],
  [models.resnext50({ imageSize: 32 }), [32, 32, 3]],
];

const OPTIMIZER: NativeOptimizer = {
  ...{ type: 'sgd', momentum: 0.9, nesterov: true, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
  ...{ weightDecay: 5e-4, headLr: 10 },
};

function textOf(
  { layers, init }: ModelDescription,
  input: [number, number, number],
  head: NativeHead,
  optimizer: NativeOptimizer,
) {
  const floats: string[] = [];
  const network = { input, layers: [...layers], ...(init !== undefined && { init }) };
  const config = { network, head, optimizer };
  expectTaken(config);
  const text = JSON.stringify(config, (_, value) =>
    value instanceof Float32Array ? `#${floats.push(JSON.stringify([...value])) - 1}` : value,
  );
  return text.replace(/"#(\d+)"/g, (_, index) => `#${floats[Number(index)]}`);
}

/** What is not right would be a poor beginning. Throws, and allocates nothing. */
function expectTaken(config: Pick<NativeSessionConfig, 'network' | 'head' | 'optimizer'>): void {
  const channels = config.network.input[2]!;
  new (native().Session)({
    ...config,
    ...{ backend: 'cpu', deviceIndex: 0, threads: 1, deterministic: false, precision: 'fp32', seed: 0 },
    ...{ mean: new Float32Array(channels), std: new Float32Array(channels).fill(1), batchSize: 0 },
  }).dispose();
}

function main(folder: string): void {
  const heads = [
    ...HEAD_NAMES.map((head) => resolveHead(checkHead({ head }), 3)),
    resolveHead(
      checkHead({ head: 'arcface', classWeights: [1, 2, 3], logitNormalizer: 'scaled-bn' } as never),
      3,
    ),
  ].map(({ native }) => native);
  const texts = [
    ...NETWORKS.map(([network, input]) => textOf(network, input, heads[0]!, OPTIMIZER)),
    ...heads.map((head) => textOf(everyLayer, [12, 12, 2], head, { ...OPTIMIZER, type: 'adam' })),
  ];
  mkdirSync(join(folder, 'seeds'), { recursive: true });
  for (const [index, text] of texts.entries()) writeFileSync(join(folder, 'seeds', String(index)), text);
  const words = new Set(texts.flatMap((text) => text.match(/"\w+"/g)!));
  const numbers = [
    '-1',
    '0.5',
    '1e400',
    'nan',
    '2147483648',
    '4294967296',
    '9223372036854775807',
    '3037000500',
  ];
  const entries = [...words, ...numbers].map((word) => `"${word.replaceAll('"', '\\"')}"\n`);
  writeFileSync(join(folder, 'words'), entries.join(''));
}

main(process.argv[2]!);
