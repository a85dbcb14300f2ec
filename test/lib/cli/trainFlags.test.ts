/** From the command line to the options of `train()`, without training. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseFlags, UsageError } from '../../../lib/cli/arguments.js';
import { TRAIN_FLAGS } from '../../../lib/cli/train/flags.js';
import { MODEL_WORDS } from '../../../lib/cli/train/network.js';
import { trainOptions } from '../../../lib/cli/train/options.js';
import { HEAD_NAMES, headOptionNames } from '../../../lib/heads/resolve.js';
import { HEADS } from '../../../lib/heads/table.js';
import { models } from '../../../lib/networks/index.js';
import { schedules } from '../../../lib/schedules/learningRate.js';
import { RUN_OPTIONS } from '../../../lib/training/options.js';
import { idxBytes } from '../../support/idxBytes.js';
import { refusal } from '../../support/refusal.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const options = async (...args: string[]) => trainOptions(parseFlags(TRAIN_FLAGS, args));

test.each([
  [[], {}],
  [['--data', 'fashion-mnist'], { data: 'fashion-mnist' }],
  [['--data', 'fashion-mnist-sample'], { data: 'fashion-mnist-sample' }],
  [['--data', 'some/folder'], { data: 'some/folder' }],
  [['--take', '1000', '--take-per-class', '20'], { take: 1000, takePerClass: 20 }],
  [['--classes', '30'], { classes: 30 }],
  [['--classes', 'cat, dog,7'], { classes: ['cat', 'dog', '7'] }],
  [['--validation', '0.1'], { validation: 0.1 }],
  [['--sampler', 'classBalanced'], { sampler: { type: 'classBalanced' } }],
  [['--sampler', 'classBalanced', '--draws', '500'], { sampler: { type: 'classBalanced', draws: 500 } }],
  [
    ['--sampler', 'perClass', '--classes-per-batch', '8', '--images-per-class', '4'],
    { sampler: { type: 'perClass', classes: 8, images: 4 } },
  ],
  [['--normalize', 'unit'], { normalize: 'unit' }],
  [['--normalize', 'cifar100'], { normalize: 'cifar100' }],
  [['--augment', 'cifar'], { augment: 'cifar' }],
  [['--augment', 'crop=4,flip'], { augment: { crop: 4, flip: true } }],
  [
    ['--augment', 'crop=2,padding=reflect,flip=alternating,scale=0.9:1.1'],
    { augment: { crop: 2, padding: 'reflect', flip: 'alternating', scale: [0.9, 1.1] } },
  ],
  [['--clip-gradients', '0.5'], { clipGradients: 0.5 }],
  [['--sample-classes', '0.1'], { sampleClasses: 0.1 }],
  [['--distributed'], { distributed: true }],
  [
    ['--distributed', '--distributed-head', 'sharded', '--sync-batch-norm', '--distributed-timeout', '30'],
    { distributed: { head: 'sharded', syncBatchNorm: true, timeoutSeconds: 30 } },
  ],
  [['--ema', '0.999'], { ema: 0.999 }],
  [['--freeze', 'layer1'], { freeze: ['layer1'] }],
  [['--freeze', 'conv1,bn1, layer1.0'], { freeze: ['conv1', 'bn1', 'layer1.0'] }],
  [['--layer-lr', 'layer3=0.1,layer4.1.conv2=0.5'], { layerLr: { layer3: 0.1, 'layer4.1.conv2': 0.5 } }],
  [['--normalize', '0.5,0.4:0.2,0.3'], { normalize: { mean: [0.5, 0.4], std: [0.2, 0.3] } }],
  [['--embedding-size', '128'], { model: models.seedCnn({ embeddingSize: 128 }) }],
  [['--model', 'lenetPlusPlus'], { model: models.lenetPlusPlus() }],
  [['--width', '0.5'], { model: models.seedCnn({ width: 0.5 }) }],
  [
    ['--model', 'resnet18', '--image-size', '32', '--width', '0.25'],
    { model: models.resnet18({ imageSize: 32, width: 0.25 }) },
  ],
  [['--model', 'lSoftmaxNet-cifar100'], { model: models.lSoftmaxNet({ dataset: 'cifar100' }) }],
  [
    ['--data', 'some/folder', '--model', 'resnet18', '--image-size', '32', '--embedding-size', '128'],
    { data: 'some/folder', model: models.resnet18({ imageSize: 32, embeddingSize: 128 }) },
  ],
  [['--head', 'arcface', '--m', '0.4', '--s', '16'], { head: 'arcface', m: 0.4, s: 16 }],
  [['--s', 'auto'], { s: 'auto' }],
  [['--s', 'learn'], { s: { learn: true } }],
  [['--s=learn:12'], { s: { learn: true, init: 12 } }],
  [['--head', 'cosface', '--s=learn'], { head: 'cosface', s: { learn: true } }],
  [['--head', 'l2-softmax', '--alpha', '0'], { head: 'l2-softmax', alpha: 0 }],
  [['--alpha', 'learn:12', '--l2-scope', 'batch'], { alpha: { learn: true, init: 12 }, l2Scope: 'batch' }],
  [['--lambda', '5'], { lambda: 5 }],
  [['--lambda', 'sphereface'], { lambda: 'sphereface' }],
  [['--lambda', 'cifar10+'], { lambda: 'cifar10+' }],
  [['--lambda', 'base=1000,until=0.5'], { lambda: { base: 1000, until: 0.5 } }],
  [
    ['--lambda=base=1000, gamma=2.5e-5, power=35, min=5'],
    { lambda: { base: 1000, gamma: 2.5e-5, power: 35, min: 5 } },
  ],
  [['--m1', '1.2', '--m2', '0.3', '--m3', '0.1'], { m1: 1.2, m2: 0.3, m3: 0.1 }],
  [['--weight', '0.01', '--rate', '0.5'], { weight: 0.01, rate: 0.5 }],
  [['--head', 'scaled-bn', '--bn-epsilon', '1e-3'], { head: 'scaled-bn', epsilon: 1e-3 }],
  [
    ['--bn-epsilon', '1e-3', '--epsilon', '1e-6'],
    { epsilon: 1e-3, optimizer: { type: 'adam', epsilon: 1e-6 } },
  ],
  [['--logit-normalizer', 'scaled-bn'], { logitNormalizer: 'scaled-bn' }],
  [
    ['--logit-normalizer=scaled-bn:m=0.9,epsilon=1e-4'],
    { logitNormalizer: { type: 'scaled-bn', m: 0.9, epsilon: 1e-4 } },
  ],
  [['--auxiliary', 'center'], { auxiliary: 'center' }],
  [['--auxiliary', 'center:weight=0.1'], { auxiliary: { type: 'center', weight: 0.1 } }],
  [['--wrap', 'linear', '--gradient', 'detached'], { wrap: 'linear', gradient: 'detached' }],
  [['--easy-margin', '--no-bias'], { easyMargin: true, bias: false }],
  [['--margin-warmup', '0.2'], { marginWarmup: 0.2 }],
  [['--feature-dropout', '0.1', '--label-smoothing', '0.2'], { featureDropout: 0.1, labelSmoothing: 0.2 }],
  [['--class-weights', '1,2.5,0', '--head-lr', '10'], { classWeights: [1, 2.5, 0], headLr: 10 }],
  [['--epochs', '3', '--batch-size', '20', '--seed', '7'], { epochs: 3, batchSize: 20, seed: 7 }],
  [['--batchSize', '20', '--labelSmoothing=0.2'], { batchSize: 20, labelSmoothing: 0.2 }],
  [['--optimizer', 'sgd'], { optimizer: { type: 'sgd' } }],
  [['--weight-decay', '1e-4'], { optimizer: { type: 'adam', weightDecay: 1e-4 } }],
  [
    ['--optimizer', 'sgd', '--momentum', '0.8', '--nesterov'],
    { optimizer: { type: 'sgd', momentum: 0.8, nesterov: true } },
  ],
  [
    ['--beta1', '0.8', '--beta2', '0.9', '--epsilon', '1e-6'],
    { optimizer: { type: 'adam', beta1: 0.8, beta2: 0.9, epsilon: 1e-6 } },
  ],
  [
    ['--device', 'cpu', '--threads', '2', '--precision', 'fp32'],
    { device: 'cpu', threads: 2, precision: 'fp32' },
  ],
  [['--deterministic', '--no-progress'], { deterministic: true, progress: false }],
  [['--seed', '-1'], { seed: -1 }],
])('%j', async (args, expected) => {
  expect(await options(...args)).toEqual({ progress: true, ...expected });
});

test.each([
  [['--learning-rate', '0.01'], 0.01],
  [['--schedule', 'cosine', '--optimizer', 'sgd'], 0.03],
  [['--schedule', 'cosine', '--optimizer', 'sgd', '--head', 'arcface', '--s', '40'], 0.0025],
  [['--min-learning-rate', '1e-5'], schedules.cosine({ base: 1e-3, min: 1e-5, warmup: 0.01 })],
  [['--learning-rate', '0.01', '--warmup', '50'], schedules.cosine({ base: 0.01, warmup: 50 })],
  [['--warmup', '0'], schedules.cosine({ base: 1e-3 })],
  [['--schedule', 'constant', '--learning-rate', '0.01'], schedules.constant(0.01)],
  [['--schedule', 'constant', '--warmup', '5'], schedules.warmup(schedules.constant(1e-3), 5)],
  [['--schedule', 'step', '--milestones', '2,3.5'], schedules.step({ base: 1e-3, milestones: [2, 3.5] })],
  [
    ['--schedule', 'step', '--milestones', '2', '--gamma', '0.5', '--learning-rate', '0.2'],
    schedules.step({ base: 0.2, milestones: [2], gamma: 0.5 }),
  ],
])('learning rate: %j', async (args, expected) => {
  expect((await options(...args)).learningRate).toEqual(expected);
});

test.each([
  ['--lambda', 'spherface'],
  ['--lambda', 'base=,until=0.5'],
  ['--lambda', 'base=1000,0.5'],
  ['--lambda', ''],
  ['--alpha', 'auto'],
  ['--alpha', 'learn:'],
  ['--l2-scope', 'row'],
  ['--m1', 'two'],
  ['--logit-normalizer', 'bn'],
  ['--logit-normalizer', 'scaled-bn:0.9'],
  ['--logit-normalizer', 'scaled-bn:m=x'],
  ['--auxiliary', 'center:'],
  ['--head', 'lsoftmax'],
  ['--model', 'resnet-18'],
  ['--image-size', '32'],
])('%s %j is a usage error', async (flag, value) => {
  await expect(options(flag, value)).rejects.toThrow(UsageError);
  await expect(options(flag, value)).rejects.toThrow(`${flag} needs `);
});

test.each([
  ['--s', 'atuo', 'auto'],
  ['--alpha', 'laern', 'learn'],
  ['--lambda', 'mnist2', 'mnist'],
  ['--auxiliary', 'centre', 'center'],
  ['--normalize', 'datset', 'dataset'],
])('%s %s: %s may have been meant', async (flag, value, guess) => {
  await expect(options(flag, value)).rejects.toThrow(`Did you mean '${guess}'?`);
});

test.each(['constant', 'cosine'])(
  '--schedule %s: a scale that is none is not blamed on the rate',
  async (schedule) => {
    const args = ['--optimizer', 'sgd', '--schedule', schedule, '--head', 'arcface', '--s=-3'];
    const error = await refusal(() => options(...args));
    expect(error.message).toContain('Expected a number above 0 for s but received -3');
  },
);

describe('a network with variants, without --image-size', () => {
  /** A folder of two images of a size. */
  function folderOf(H: number, W: number): string {
    const folder = inFolder(`${H}x${W}`);
    mkdirSync(folder);
    const write = (name: string, bytes: Uint8Array) => writeFileSync(join(folder, name), bytes);
    write('train-images-idx3-ubyte', idxBytes([2, H, W], Array(2 * H * W).fill(7)));
    write('train-labels-idx1-ubyte', idxBytes([2], [0, 1]));
    return folder;
  }

  test.each([32, 64, 112, 224])('takes the one for images of %d×%d', async (size) => {
    const { model, data } = await options('--data', folderOf(size, size), '--model', 'vgg11');
    expect(model).toEqual(models.vgg11({ imageSize: size }));
    // Already read, so that it is not read again.
    expect(data).toMatchObject({ train: { images: { shape: [2, size, size, 1] } } });
  });

  test('goes by the shorter side', async () => {
    const { model } = await options('--data', folderOf(112, 96), '--model', 'resnet18');
    expect(model).toEqual(models.resnet18({ imageSize: 96 }));
  });

  test.each([
    ['vgg16', 28, 28, '32×32 to 1024×1024'],
    ['resnet18', 7, 40, '8×8 to 1024×1024'],
    ['densenet121', 1030, 1030, '8×8 to 1024×1024'],
  ])('%s is refused for images of %d×%d, with the limits', async (name, H, W, limits) => {
    const error = await refusal(() => options('--data', folderOf(H, W), '--model', name));
    expect(error.code).toBe('SHAPE_MISMATCH');
    expect(error.message).toContain(`${name} is made for images of ${limits}, and these are ${H}×${W}`);
  });

  test('the API checks a size that is given', async () => {
    const error = await refusal(() => options('--model', 'resnet18', '--image-size', '5'));
    expect(error.message).toContain('a whole number in [8, 1024] for imageSize but received 5');
  });
});

test('every network of the API has a word', () => {
  for (const name of Object.keys(models)) {
    expect(MODEL_WORDS.filter((each) => each.split('-')[0] === name)).not.toEqual([]);
  }
});

test('a recipe is not mistaken for a spelling, nor a range checked: the API does that', async () => {
  expect(await options('--lambda', 'base=-1,until=7')).toMatchObject({ lambda: { base: -1, until: 7 } });
  expect(await options('--auxiliary', 'center:wieght=1')).toMatchObject({ auxiliary: { wieght: 1 } });
});

describe('flags and tables', () => {
  const flags = TRAIN_FLAGS.flatMap((group) => group.flags);

  test('every option that has a form for command lines has a flag', () => {
    const targets = new Set(flags.map(({ to }) => to.split('.')[0]));
    for (const name of HEAD_NAMES.flatMap(headOptionNames)) expect(targets).toContain(name);
    const without = Object.keys(RUN_OPTIONS).filter((name) => !targets.has(name));
    expect(without).toEqual(['signal', 'onStep', 'onEpoch']);
  });

  test('no two have one name, or one destination', () => {
    for (const key of ['name', 'to'] as const) {
      const all = flags.map((flag) => flag[key]);
      expect(all.filter((each, index) => all.indexOf(each) !== index)).toEqual([]);
    }
  });

  test('an option that several heads have is written alike for all', () => {
    const forms = new Map<string, unknown>();
    for (const { options } of HEAD_NAMES.map((name) => HEADS[name])) {
      for (const [name, { notation, flag }] of Object.entries(options)) {
        const form = JSON.stringify([notation, flag]);
        expect([name, forms.get(name) ?? form]).toEqual([name, form]);
        forms.set(name, form);
      }
    }
  });

  const help = (name: string) => flags.find((flag) => flag.name === name)!.help;

  test('help has the defaults, and says whose they are where they differ', () => {
    expect(help('epochs')).toBe('passes over the training images (default: 10)');
    expect(help('easy-margin')).toBe('arcface: margin only below 90° (default: no)');
    expect(help('s')).toBe(
      'normface, am-softmax, arcface, combined, pedcc: scale of the cosines ' +
        '(default: normface 16; am-softmax, arcface, combined 30; pedcc 7.5)',
    );
    expect(help('weight-decay')).toBe(
      'decay of convolution, linear and class weights (default: sgd 5e-4; adam 0; adamw 0.01)',
    );
    expect(help('m').split('; ')).toContain(
      'am-softmax, pedcc: margin, taken from the cosine (default: 0.35)',
    );
  });
});

test('a wrong scale is not blamed on the rate that is derived from it', async () => {
  for (const schedule of ['constant', 'cosine']) {
    const given = ['--optimizer', 'sgd', '--schedule', schedule, '--head', 'arcface', '--s=-3'];
    const error = await refusal(() => options(...given));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option: 's' } });
  }
});
