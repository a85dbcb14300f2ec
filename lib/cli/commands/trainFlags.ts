/** Every option of `train()` as a flag. */
import { HEAD_WORDS } from '../../heads/resolve.js';
import type { FlagGroup } from '../arguments.js';
import { alpha, annealing, normalization, number, numbers, part, scale, text, word } from '../flagValues.js';
import { MODEL_WORDS } from './modelFlags.js';

export const TRAIN_FLAGS: readonly FlagGroup[] = [
  {
    title: 'Data and network',
    flags: [
      {
        name: 'data',
        to: 'data',
        value: text('fashion-mnist|fashion-mnist-sample|DIR'),
        help: 'a folder of IDX files, or a data set by name (default: the sample)',
      },
      {
        name: 'validation',
        to: 'validation',
        value: number,
        help: 'fraction of the training images to hold out and score after each epoch',
      },
      { name: 'normalize', to: 'normalize', value: normalization, help: 'of pixels (default: dataset)' },
      {
        name: 'model',
        to: 'model.name',
        value: word(...MODEL_WORDS),
        help: 'the network (default: seedCnn)',
      },
      {
        name: 'image-size',
        to: 'model.imageSize',
        value: number,
        help: "the network's variant, 32, 64 or 224 (default: as the images are)",
      },
      {
        name: 'embedding-size',
        to: 'model.embeddingSize',
        value: number,
        help: "of the network (default: the network's own, of seedCnn 1024)",
      },
    ],
  },
  {
    title: 'Head',
    flags: [
      { name: 'head', to: 'head', value: word(...HEAD_WORDS), help: '(default: softmax)' },
      {
        name: 'm',
        to: 'm',
        value: number,
        help: 'margin: arcface in radians (default: 0.5), am-softmax, pedcc (0.35), l- and a-softmax (4); scaled-bn: scale (1)',
      },
      { name: 'm1', to: 'm1', value: number, help: 'combined: multiplies the angle (default: 1)' },
      {
        name: 'm2',
        to: 'm2',
        value: number,
        help: 'combined: added to the angle, in radians (default: 0.5)',
      },
      { name: 'm3', to: 'm3', value: number, help: 'combined: taken from the cosine (default: 0)' },
      {
        name: 's',
        to: 's',
        value: scale,
        help: 'scale of cosine heads (default: 30, normface 16, pedcc 7.5)',
      },
      { name: 'alpha', to: 'alpha', value: alpha, help: 'l2-softmax: length of the features (default: 16)' },
      {
        name: 'l2-scope',
        to: 'l2Scope',
        value: word('sample', 'batch'),
        help: 'l2-softmax: what is normalised (default: sample)',
      },
      {
        name: 'lambda',
        to: 'lambda',
        value: annealing,
        help: 'l-softmax, a-softmax: hides the margin at first (default: base=1000,until=0.5)',
      },
      {
        name: 'weight',
        to: 'weight',
        value: number,
        help: 'of the distance to centres: center (default: 0.01), pedcc (1)',
      },
      { name: 'rate', to: 'rate', value: number, help: 'center: of the centres (default: 0.5)' },
      {
        name: 'bn-epsilon',
        to: 'epsilon',
        value: number,
        help: 'scaled-bn: added to the variance (default: 1e-5)',
      },
      {
        name: 'logit-normalizer',
        to: 'logitNormalizer',
        value: part('scaled-bn', 'm', 'epsilon'),
        help: 'batch norm of the logits (default: none)',
      },
      {
        name: 'auxiliary',
        to: 'auxiliary',
        value: part('center', 'weight', 'rate'),
        help: 'distance to class centres in the loss (default: none)',
      },
      {
        name: 'wrap',
        to: 'wrap',
        value: word('continue', 'linear', 'none'),
        help: 'arcface: the target past θ + m = π (default: continue)',
      },
      { name: 'easy-margin', to: 'easyMargin', help: 'arcface: margin only below 90° (default: no)' },
      {
        name: 'gradient',
        to: 'gradient',
        value: word('exact', 'detached'),
        help: "arcface: the margin's derivative (default: exact)",
      },
      {
        name: 'margin-warmup',
        to: 'marginWarmup',
        value: number,
        help: 'the margin grows over this fraction of training, or number of steps (default: 0)',
      },
      { name: 'bias', to: 'bias', help: 'softmax, l2-softmax, center: a bias per class (default: yes)' },
      { name: 'feature-dropout', to: 'featureDropout', value: number, help: '(default: 0)' },
      { name: 'label-smoothing', to: 'labelSmoothing', value: number, help: '(default: 0)' },
      {
        name: 'class-weights',
        to: 'classWeights',
        value: numbers,
        help: 'one per class (default: all alike)',
      },
      {
        name: 'head-lr',
        to: 'headLr',
        value: number,
        help: "factor on the head's learning rate (default: 1)",
      },
    ],
  },
  {
    title: 'Training',
    flags: [
      { name: 'epochs', to: 'epochs', value: number, help: '(default: 10)' },
      { name: 'batch-size', to: 'batchSize', value: number, help: '(default: 128)' },
      {
        name: 'optimizer',
        to: 'optimizer.type',
        value: word('sgd', 'adam', 'adamw'),
        help: '(default: adam)',
      },
      { name: 'momentum', to: 'optimizer.momentum', value: number, help: 'sgd (default: 0.9)' },
      { name: 'nesterov', to: 'optimizer.nesterov', help: 'sgd (default: no)' },
      { name: 'beta1', to: 'optimizer.beta1', value: number, help: 'adam, adamw (default: 0.9)' },
      { name: 'beta2', to: 'optimizer.beta2', value: number, help: 'adam, adamw (default: 0.999)' },
      { name: 'epsilon', to: 'optimizer.epsilon', value: number, help: 'adam, adamw (default: 1e-8)' },
      {
        name: 'weight-decay',
        to: 'optimizer.weightDecay',
        value: number,
        help: '(default: sgd 5e-4, adam 0, adamw 0.01)',
      },
      {
        name: 'learning-rate',
        to: 'learningRate.base',
        value: number,
        help: 'where the schedule begins (default: 1e-3, for sgd 0.1)',
      },
      {
        name: 'schedule',
        to: 'learningRate.schedule',
        value: word('constant', 'step', 'cosine'),
        help: '(default: cosine)',
      },
      {
        name: 'warmup',
        to: 'learningRate.warmup',
        value: number,
        help: 'fraction of training, or number of steps (default: 0.01 for cosine, else 0)',
      },
      {
        name: 'min-learning-rate',
        to: 'learningRate.min',
        value: number,
        help: 'cosine: where it ends (default: 0)',
      },
      { name: 'milestones', to: 'learningRate.milestones', value: numbers, help: 'step: epochs' },
      { name: 'gamma', to: 'learningRate.gamma', value: number, help: 'step: the factor (default: 0.1)' },
      { name: 'seed', to: 'seed', value: number, help: '(default: 0)' },
    ],
  },
  {
    title: 'Machine',
    flags: [
      { name: 'device', to: 'device', value: text('auto|cpu|cuda[:N]'), help: '(default: auto)' },
      { name: 'threads', to: 'threads', value: number, help: '(default: physical cores)' },
      { name: 'precision', to: 'precision', value: text('fp32|tf32|bf16'), help: '(default: fp32)' },
      { name: 'deterministic', to: 'deterministic', help: 'bit-equal repetition (default: no)' },
    ],
  },
  {
    title: 'Output',
    flags: [
      { name: 'progress', to: 'progress', help: 'on standard error (default: yes)' },
      { name: 'json', to: 'json', value: text('FILE|-'), help: 'the whole result; - is standard output' },
      { name: 'svg', to: 'svg', value: text('FILE'), help: 'a picture of the angles between classes' },
    ],
  },
];
