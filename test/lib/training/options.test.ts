import { runInNewContext } from 'node:vm';
import { resolveTrainOptions, type TrainOptions } from '../../../lib/training/options.js';
import { refusal } from '../../support/refusal.js';

/** Options as a JavaScript caller may write them. */
const resolve = (options: Record<string, unknown>) => resolveTrainOptions(options as TrainOptions);

test('every default is filled in', () => {
  expect(resolve({})).toEqual({
    model: expect.objectContaining({ name: 'seedCnn' }),
    head: {
      head: 'softmax',
      own: { bias: true },
      common: { featureDropout: 0, labelSmoothing: 0, headLr: 1, marginWarmup: 0 },
    },
    epochs: 10,
    batchSize: 128,
    dropLast: false,
    shuffle: true,
    optimizer: { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    learningRate: { type: 'warmup', length: 0.01, schedule: { type: 'cosine', base: 1e-3, min: 0 } },
    augment: {},
    normalize: 'dataset',
    precision: 'fp32',
    device: 'auto',
    freeze: [],
    layerLr: {},
    seed: 0,
    deterministic: false,
    distributed: false,
    progress: 'auto',
    checkpointEvery: { epochs: 1, minutes: 10 },
    keepCheckpoints: 3,
    resume: false,
    resetHead: false,
    keepBest: false,
    monitor: 'accuracy',
  });
});

test.each([
  ['sgd', { type: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 5e-4 }, 0.03],
  ['adamw', { type: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 }, 1e-3],
])('%s has its own defaults', (type, optimizer, base) => {
  const settings = resolve({ optimizer: type });
  expect(settings.optimizer).toEqual(optimizer);
  expect(settings.learningRate).toMatchObject({ schedule: { base } });
});

test.each<[Record<string, unknown>, number]>([
  [{ head: 'center' }, 0.03],
  [{ head: 'l-softmax' }, 0.03],
  [{ head: 'arcface' }, 0.1 / 30],
  [{ head: 'cosface', s: 64 }, 0.1 / 64],
  [{ head: 'arcface', s: 'auto' }, 0.1 / 30],
  [{ head: 'normface', s: { learn: true } }, 0.1 / 16],
  [{ head: 'normface', s: { learn: true, init: 20 } }, 0.005],
  [{ head: 'normface', s: 0.5 }, 0.03],
  [{ head: 'l2' }, 0.1 / 16],
  [{ head: 'l2', alpha: 0 }, 0.03],
  [{ head: 'pedcc' }, 0.1 / 7.5],
  [{ head: 'arcface', logitNormalizer: 'scaled-bn' }, 0.03],
])('sgd takes smaller steps with a scale: %j', (head, base) => {
  expect(resolve({ ...head, optimizer: 'sgd' }).learningRate).toMatchObject({ schedule: { base } });
  expect(resolve({ ...head, optimizer: { type: 'sgd' } }).learningRate).toMatchObject({ schedule: { base } });
  expect(resolve({ ...head, optimizer: 'adam' }).learningRate).toMatchObject({ schedule: { base: 1e-3 } });
});

test('the batch of a sampler of classes is as large as it says', () => {
  const sampler = { type: 'perClass', classes: 8, images: 4 };
  expect(resolve({ sampler })).toMatchObject({ sampler, batchSize: 32 });
  expect(resolve({ sampler, batchSize: 32 })).toMatchObject({ batchSize: 32 });
  expect(resolve({ sampler: 'classBalanced' })).toMatchObject({
    sampler: { type: 'classBalanced' },
    batchSize: 128,
  });
  expect(resolve({})).not.toHaveProperty('sampler');
});

test('an undefined option counts as absent', () => {
  expect(resolve({ epochs: undefined, head: undefined, m: undefined })).toEqual(resolve({}));
});

test.each<[Record<string, unknown>, string]>([
  [{ epochs: 0 }, 'Expected a number in (0, 1000000] for epochs but received 0 of type number'],
  [{ epochs: null }, 'for epochs but received null of type null'],
  [{ epochs: '5' }, 'for epochs but received "5" of type string'],
  [{ batchSize: 1.5 }, 'for batchSize but received 1.5'],
  [{ sampler: 'balanced' }, "one of 'shuffled', 'classBalanced', 'perClass' for sampler but received"],
  [{ sampler: 'classbalanced' }, "Did you mean 'classBalanced'?"],
  [{ sampler: 'perClass' }, 'a whole number of at least 1 for sampler.classes but received undefined'],
  [{ sampler: { type: 'perClass', classes: 8 } }, 'at least 1 for sampler.images but received undefined'],
  [{ sampler: { type: 'perClass', classes: 0, images: 4 } }, 'at least 1 for sampler.classes'],
  [{ sampler: { type: 'perClass', classes: 8, images: 1.5 } }, 'at least 1 for sampler.images'],
  [{ sampler: { type: 'classBalanced', draws: 0 } }, 'in [1, 536870912] for sampler.draws'],
  [{ sampler: { type: 'classBalanced', classes: 8 } }, 'for sampler.classes'],
  [{ sampler: 5 }, 'a name or { type, … } for sampler'],
  [
    { sampler: { type: 'perClass', classes: 8, images: 4 }, batchSize: 128 },
    "Expected 32, which are the sampler's 8 classes with 4 images each, for batchSize but received 128",
  ],
  [{ sampler: 'classBalanced', shuffle: false }, 'no value beside shuffle: false for sampler'],
  [{ sampler: 'shuffled', shuffle: false }, 'no value beside shuffle: false for sampler'],
  [{ learningRate: Number.NaN }, 'for learningRate but received NaN of type number'],
  [{ learningRate: -1 }, 'for learningRate but received -1'],
  [{ learningRate: '1e-3' }, 'a number, a schedule or a function for learningRate'],
  [{ sampleClasses: 0 }, 'Expected a number in (0, 1] for sampleClasses but received 0'],
  [{ sampleClasses: 1.5 }, 'Expected a number in (0, 1] for sampleClasses but received 1.5'],
  [{ partialFc: true }, "Did you mean 'sampleClasses'?"],
  [{ ema: 1 }, 'Expected a number in (0, 1) for ema but received 1'],
  [{ ema: 0 }, 'Expected a number in (0, 1) for ema but received 0'],
  [{ modelEma: 0.9 }, "Did you mean 'ema'?"],
  [{ clipGradients: 0 }, 'Expected a number above 0 for clipGradients but received 0'],
  [{ clipGradients: Number.POSITIVE_INFINITY }, 'for clipGradients but received Infinity'],
  [{ clipGradients: '1' }, 'for clipGradients but received "1" of type string'],
  [{ optimizer: 'adamm' }, "Did you mean 'adam'?"],
  [{ optimizer: { type: 'sgd', beta1: 0.9 } }, 'for optimizer.beta1'],
  [{ optimizer: { type: 'adam', beta1: 1 } }, 'Expected a number in [0, 1) for optimizer.beta1'],
  [
    { normalize: 'imagenett' },
    "Expected one of 'dataset', 'unit', 'imagenet', 'cifar10', 'cifar100', 'mnist', or { mean, std } for normalize",
  ],
  [{ normalize: 'imagenett' }, "Did you mean 'imagenet'?"],
  [{ normalize: 3 }, 'or { mean, std } for normalize but received 3'],
  [{ normalize: { mean: [0.5], std: [0] } }, 'a number above 0 for normalize.std[0]'],
  [{ device: 'gpu' }, "'auto', 'cpu', 'cuda' or 'cuda:<number>' for device"],
  [{ threads: 0 }, 'for threads but received 0'],
  [{ seed: -1 }, 'for seed but received -1'],
  [{ seed: 2 ** 32 }, 'for seed but received 4294967296'],
  [{ deterministic: 1 }, 'true or false for deterministic'],
  [{ validation: 1 }, 'a number in (0, 1) for validation'],
  [{ signal: {} }, 'an AbortSignal for signal'],
  [{ signal: { aborted: false, addEventListener: () => 0 } }, 'an AbortSignal for signal'],
  [{ onStep: 'log' }, 'a function for onStep'],
  [{ progress: 'yes' }, "true, false or 'auto' for progress"],
  [{ model: { layers: [] } }, 'a string for model.name'],
  [{ model: { name: 'x', layers: [] } }, 'a list of one or more layers for model.layers'],
  [{ head: 'arcface', s: -3, optimizer: 'sgd' }, 'Expected a number above 0'],
  [{ head: 'arcface', s: Number.NaN, optimizer: 'sgd' }, 'for s but received NaN'],
  [{ head: 'l2', alpha: -1, optimizer: 'sgd' }, 'for alpha but received -1'],
  [{ head: 'arcFace' }, "Did you mean 'arcface'?"],
  [{ lerningRate: 0.1 }, "Did you mean 'learningRate'?"],
  [{ profiler: 'runs' }, 'no value (there is no such option) for profiler'],
  [{ m: 0.5 }, 'The head here is softmax; m is an option of l-softmax, a-softmax, am-softmax, arcface,'],
  [{ head: 'normface', m: 0.5 }, 'The head here is normface; m is an option of'],
  [{ head: 'cosface', easyMargin: true }, 'The head here is am-softmax; easyMargin is an option of arcface'],
  [{ head: 'arcface', lambda: 5 }, 'lambda is an option of l-softmax, a-softmax'],
  [{ head: 'arcface', alpha: 5 }, 'alpha is an option of l2-softmax'],
  [{ head: 'arcface', bias: true }, 'bias is an option of softmax, l2-softmax, center'],
  [{ head: 'arcface', weight: 1 }, 'weight is an option of pedcc, center'],
  [{ head: 'pedcc', rate: 1 }, 'rate is an option of center'],
  [
    { head: 'pedcc', auxiliary: 'center' },
    'for auxiliary but received "center" of type string. The head pedcc has its own',
  ],
  [{ head: 'center', auxiliary: 'center' }, 'The head center has its own'],
  [{ head: 'sbn', logitNormalizer: 'scaled-bn' }, 'The head scaled-bn has its own'],
  // The rate follows from the scale, and is not to blame.
  [{ head: 'arcface', s: -3, optimizer: 'sgd' }, 'Expected a number above 0 for s but received -3'],
  [{ head: 'arcface', s: Number.NaN, optimizer: 'sgd' }, 'a number above 0 for s but received NaN'],
  [{ head: 'l2', alpha: -1, optimizer: 'sgd' }, 'a number of at least 0 for alpha but received -1'],
  [{ head: 'arcface', marginWarmpu: 5 }, "Did you mean 'marginWarmup'?"],
  [{ logitNormaliser: 'scaled-bn' }, "Did you mean 'logitNormalizer'?"],
  [{ head: 'l-softmax', lamda: 5 }, "Did you mean 'lambda'?"],
  // What others call it.
  [{ lr: 0.1 }, "Did you mean 'learningRate'?"],
  [{ learning_rate: 0.1 }, "Did you mean 'learningRate'?"],
  [{ batch_size: 20 }, "Did you mean 'batchSize'?"],
  [{ bs: 20 }, "Did you mean 'batchSize'?"],
  [{ num_epochs: 2 }, "Did you mean 'epochs'?"],
  [{ max_grad_norm: 1 }, "Did you mean 'clipGradients'?"],
  [{ clipNorm: 1 }, "Did you mean 'clipGradients'?"],
  [{ optim: 'sgd' }, "Did you mean 'optimizer'?"],
  [{ loss: 'arcface' }, "Did you mean 'head'?"],
  [{ backbone: {} }, "Did you mean 'model'?"],
  [{ val_split: 0.1 }, "Did you mean 'validation'?"],
  [{ random_state: 1 }, "Did you mean 'seed'?"],
  [{ num_workers: 2 }, "Did you mean 'threads'?"],
  [{ gpu: true }, "Did you mean 'device'?"],
  [{ verbose: true }, "Did you mean 'progress'?"],
  [{ num_classes: 10 }, 'The number of classes follows from data'],
  [{ numClasses: 10 }, 'The number of classes follows from data'],
  [{ head: 'arcface', margin: 0.5 }, "Did you mean 'm'?"],
  [{ head: 'arcface', scale: 30 }, "Did you mean 's'?"],
  [{ head: 'l2', scale: 30 }, "Did you mean 'alpha'?"],
  [{ head: 'combined', margin: 30 }, "Did you mean 'm2'?"],
  [{ margin: 0.5 }, 'The head here is softmax; m is an option of l-softmax, a-softmax, am-softmax, arcface,'],
  [{ scale: 30 }, 'The head here is softmax; s is an option of normface, am-softmax, arcface,'],
  [{ wd: 1e-4 }, "It belongs to the optimizer: optimizer: { type: 'sgd', weightDecay: … }"],
  [{ weight_decay: 1e-4 }, "optimizer: { type: 'sgd', weightDecay: … }"],
  [{ momentum: 0.9 }, "optimizer: { type: 'sgd', momentum: … }"],
  [
    { optimizer: { type: 'adam', eps: 1e-6 } },
    "for optimizer.eps but received 0.000001 of type number. Did you mean 'epsilon'?",
  ],
  [{ optimizer: { type: 'sgd', wd: 0 } }, "Did you mean 'weightDecay'?"],
  [
    { optimizer: { type: 'sgd', lr: 0.1 } },
    'for optimizer.lr but received 0.1 of type number. The rate is an option beside',
  ],
  [{ optimizer: { type: 'adam', learningRate: 0.1 } }, 'an option beside the optimizer: learningRate'],
  [{ embedding_dim: 8 }, 'It belongs to the model: models.seedCnn({ embeddingSize: … })'],
  [{ features: 8 }, 'models.seedCnn({ embeddingSize: … })'],
  [{ size: 64 }, 'models.vgg11({ imageSize: … })'],
  [{ images: [] }, 'It belongs to data: data: { images, labels, classNames, test }'],
  [{ targets: [] }, 'It belongs to data: data: {'],
  [{ classNames: [] }, 'It belongs to data: data: {'],
  [{ weights: 'resnet18.safetensors' }, 'models.seedCnn({ weights: … })'],
  [{ pretrained: true }, 'models.resnet18({ weights: FILE })'],
  [{ iterations: 1000 }, "Did you mean 'steps'?"],
  [{ steps: 10, epochs: 1 }, 'no value beside epochs for steps but received 10'],
  [{ steps: 0 }, 'a whole number in [1,'],
  [{ head: 'arcface', temperature: 0.1 }, 'It is 1 divided by s'],
  [{ decay: 1e-4 }, 'of the rate, a schedule as learningRate'],
  [{ warmup: 0.1 }, 'It belongs to a schedule: learningRate: schedules.cosine({ base, warmup })'],
  [
    { milestones: [3] },
    'It belongs to a schedule: learningRate: schedules.step({ base, gamma, milestones })',
  ],
  [{ gamma: 0.5 }, 'schedules.step({ base, gamma, milestones })'],
  [{ constant: 0.1 }, 'schedules.constant(value)'],
  [{ device: 'GPU' }, "Did you mean 'cuda'?"],
  [{ precision: 'float16' }, "Did you mean 'bf16'?"],
  [{ head: 'cross_entropy' }, "Did you mean 'softmax'?"],
])('%j is refused', async (options, message) => {
  const error = await refusal(() => resolve(options));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain(message);
});

test('a value that cannot even be shown is refused like any other', async () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const hostile = {
    get constructor(): never {
      throw new Error('no');
    },
  };
  for (const epochs of [proxy, hostile, Object.create(null)]) {
    expect((await refusal(() => resolve({ epochs }))).code).toBe('INVALID_OPTION');
  }
});

test.each([null, 7, [], new Map([['epochs', 1]]), new AbortController().signal, Promise.resolve({})])(
  'options that are no plain object are refused: %p',
  async (options) => {
    expect(await refusal(() => resolveTrainOptions(options as never))).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('a plain object for options'),
    });
  },
);

test('options of another realm are options', () => {
  expect(resolve(runInNewContext('({ epochs: 3 })')).epochs).toBe(3);
  expect(resolve(Object.assign(Object.create(null), { epochs: 3 })).epochs).toBe(3);
});

test.each(['bf16', 'tf32'] as const)('the precision %s is taken', async (precision) => {
  expect(resolve({ precision }).precision).toBe(precision);
});

test('a precision that is none is refused', async () => {
  const error = await refusal(() => resolve({ precision: 'fp16' }));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain("'fp32', 'tf32', 'bf16'");
});
