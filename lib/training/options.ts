/** The options of `train()`: their types, their defaults, and the one place that checks them. */

import { checkNumber, checkObject, checkPath, checkSignal } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { NUMBER, names, parseNamedNumbers, SWITCH, text } from '../base/notation.js';
import {
  type Checked,
  callback,
  checkOptions,
  choice,
  flag,
  integer,
  number,
  type Option,
  option,
  optionValues,
} from '../base/optionTable.js';
import { namesFor } from '../base/otherNames.js';
import { AUGMENT_NOTATION, AUGMENT_OPTIONS, type Augment, checkAugment } from '../data/augment.js';
import type { Classes } from '../data/classes.js';
import { DATA_SET_NAMES, type DataOption } from '../data/index.js';
import { checkNormalize, NORMALIZE_NOTATION, type Normalize } from '../data/normalize.js';
import { checkPreprocessing, PREPROCESSING, type Preprocessing } from '../data/preprocessing.js';
import { SUBSET_OPTIONS } from '../data/subset.js';
import type { ArraysInput, SplitInput } from '../data/types.js';
import { checkDistributed, type DistributedOptions } from '../distributed/options.js';
import type { HeadOptions } from '../heads/options.js';
import { type CheckedHead, checkHead, checkHeadKeys } from '../heads/resolve.js';
import { type Device, PLACEMENT_OPTIONS } from '../native/backends.js';
import { PRECISIONS, type Precision } from '../native/precision.js';
import { EMBEDDING_OPTIONS } from '../networks/imageModel.js';
import { checkModel, type ModelDescription, models } from '../networks/index.js';
import { VGG_OPTIONS } from '../networks/vgg.js';
import { checkSchedule, defaultSchedule, SCHEDULES, type Schedule } from '../schedules/learningRate.js';
import { MONITORS, type Monitor } from './best.js';
import type { Controls, EpochControls, EpochEvent, StepEvent } from './events.js';
import { checkFreeze, checkLayerLr, type LayerRates } from './layerRates.js';
import {
  checkOptimizer,
  DEFAULT_OPTIMIZER,
  defaultLearningRate,
  LEARNING_RATES_TEXT,
  OPTIMIZERS,
  type OptimizerOptions,
} from './optimizers.js';
import {
  BATCH_SIZE_TEXT,
  checkSampler,
  defaultBatchSize,
  requireFitting,
  SAMPLERS,
  type SamplerOptions,
} from './samplers/options.js';

/** When a checkpoint is due: whichever comes first. */
export interface CheckpointEvery {
  readonly steps?: number;
  readonly epochs?: number;
  readonly minutes?: number;
}

/** Options that do not depend on the head. */
export interface RunOptions {
  /**
   * `datasets.*()`; `{ images, labels, classNames?, test? }`; or a data set's name, folder or file, `{ path, … }` with options of its
   * format. Training images are copied before the first step, but for those in a packed file; those that are scored, of `validation` and `test`, are read where they are, so leave
   * them alone until the run ends. Default: the bundled sample.
   */
  data?: DataOption;
  /**
   * Only these classes of the data, by name or number, in this order, or the first so many: see `datasets.subset`. Applies to test
   * images, and to images given as `validation`, too. Default: all.
   */
  classes?: Classes;
  /** Train on at most so many images of each class, evenly spread over them. Default: all. */
  takePerClass?: number;
  /** Train on so many images in all, evenly spread, each class by its share. Default: all. */
  take?: number;
  /** Default: `models.seedCnn()` */
  model?: ModelDescription;
  /** Passes over the training images; need not be whole: 0.5 is the half of one. Default 10. */
  epochs?: number;
  /** Steps of the whole run, in place of `epochs`. */
  steps?: number;
  /** Images per step. The last step of an epoch has the rest. Default 128, with the sampler 'perClass' its classes × images. */
  batchSize?: number;
  /** Leave the last step of an epoch out where it would have fewer images than `batchSize`. Default false. */
  dropLast?: boolean;
  /** Whether the images of each epoch come in an order of its own, as `seed` says; otherwise in that of the data. Default true. */
  shuffle?: boolean;
  /**
   * Which images an epoch has, drawn anew for each as `seed` says; not beside `shuffle: false`.
   * - 'shuffled': each once.
   * - 'classBalanced': as many as there are, or `draws`, of every class as many as of any other, to within one. No image comes again
   *   before all of its class have.
   * - `{ type: 'perClass', classes: P, images: K }`: batches of P classes with K images of each; `batchSize` is P × K. An epoch is as many
   *   whole batches as there are images for, one at least. A class comes again once all have, an image once all of its class have; so
   *   it is in a batch twice only where its class has fewer than K.
   *
   * Classes without a training image are not drawn. An image that comes again within an epoch is changed by `augment` as it was before; in another
   * epoch it is changed in another way. Default 'shuffled'.
   */
  sampler?: SamplerOptions;
  /** Default 'adam' */
  optimizer?: OptimizerOptions;
  /**
   * A schedule; or a number, from which a cosine falls to 0 after a warm-up over the first 1 % of training
   * (`schedules.constant(rate)` keeps it). Default 1e-3; for 'sgd' 0.03, or 0.1 divided by the head's `s` or `alpha`
   * where that is less (of 'auto', by the head's default scale; a logit normaliser takes the scale away).
   */
  learningRate?: number | Schedule;
  /**
   * The largest L2 norm of all gradients together, as of PyTorch's `clip_grad_norm_`: longer ones are scaled down to it before the
   * optimizer sees them, and before weight decay. What is frozen has no gradients and counts nothing. The `gradientNorm` that is
   * reported is that before. Default: none.
   */
  clipGradients?: number;
  /**
   * The share of the classes that a step compares, above 0 and up to 1: those of its images, and others drawn anew for each step as `seed` says
   * (Partial FC, An et al. 2022). For hundreds of thousands of classes, where the head is what a step costs: logits, their gradients and
   * those of the class weights shrink to that share. What was not drawn stays as it is, momentum and weight decay included. The
   * loss and the accuracy of training are among the drawn classes, and so look better than they are; what is scored is among all. Classes are drawn from blocks of 4,096
   * neighbours, or of an eighth of all; a batch with images of more classes of one block than are drawn of it is refused. Not beside scaled batch norm of the logits,
   * label smoothing, fixed class weights, mixup and cutmix. Default: all.
   */
  sampleClasses?: number;
  /**
   * Decay of an exponential moving average of the weights, between 0 and 1: 0.999, say, is a mean over some 1,000 steps. Validation,
   * `keepBest`, `onEpoch`, the head's statistics and the model have the averages, running statistics and centres included; the
   * steps go on with the weights themselves. It starts without a bias: after t steps the weights that step i left count
   * ema^(t − i), of a sum of 1 (Kingma & Ba 2015, section 3, of weights). Takes the memory of the weights once more. Default: none.
   */
  ema?: number;
  /**
   * Layers of the network that are not trained, by name or by the beginning of names up to a dot: 'layer1' is all of
   * 'layer1.0.conv1' to 'layer1.1.bn2', and 'all' is every layer, so that the head alone is trained (a linear probe). Weights, biases
   * and slopes stay as they are, and do not decay. A batch norm normalises by its running statistics and keeps them, as in
   * PyTorch's eval mode; dropout, which has nothing to freeze, goes on. Names of no layer with parameters are refused.
   * Layers with no trained one before them cost what they cost in prediction, and their activations are not kept. Default: none.
   */
  freeze?: string | readonly string[];
  /**
   * Factors of the learning rate for layers of the network, above 0, named as in `freeze`: `{ all: 0.1, layer4: 0.5 }`. Of several
   * names that fit a layer the longest holds; one that holds for no layer is refused. The head's factor is `headLr`. Default: 1 for all.
   */
  layerLr?: LayerRates;
  /** Random changes of training images, by a policy's name or one by one: `{ crop: 4, flip: true }`. Default 'none'. */
  augment?: Augment;
  /** How pixels are normalised, in training and ever after. Default 'dataset'. */
  normalize?: Normalize;
  /**
   * How the model will bring pictures of any size to that of the training images, in `predict` and its like: 'cover' fits
   * the shorter side and cuts out the middle, 'contain' keeps all of it and adds bars, 'stretch' changes proportions;
   * `background` is the grey, 0…255, of bars and of what is transparent. Default: as the pictures of `data` were brought to
   * size, otherwise `{ resize: 'cover', background: 0 }`
   */
  preprocessing?: Partial<Preprocessing>;
  /** Of the network's arithmetic. Default 'fp32'. */
  precision?: Precision;
  /** Default 'auto' */
  device?: Device;
  /**
   * Default: physical cores, as far as the process may use them: within its CPU affinity, the quota of its control group
   * and OMP_NUM_THREADS.
   */
  threads?: number;
  /** Weights, shuffles, dropout and augmentation follow from it: a whole number in [0, 2^32). Default 0. */
  seed?: number;
  /** Bit-equal results on the same kind of machine with the same number of threads. Default false. */
  deterministic?: boolean;
  /**
   * This process is one of several that an MPI's launcher has started, all with the same program, options and data: they share each
   * batch, of which `batchSize` stays the size, and come to the same model. true, or how. Default false.
   */
  distributed?: boolean | DistributedOptions;
  /**
   * A folder in which the run is kept, so that it can be resumed whatever ends it: see `checkpointEvery`. An abort by
   * `signal` saves first. The folder is locked while the run goes on. Default: none.
   */
  checkpoint?: string;
  /** When a checkpoint is due: whichever comes first. Default `{ epochs: 1, minutes: 10 }` */
  checkpointEvery?: CheckpointEvery;
  /** How many of the last checkpoints stay in the folder. Default 3. */
  keepCheckpoints?: number;
  /**
   * Go on from the last checkpoint of the folder, where there is one: with `deterministic`, on the same machine, to the very numbers
   * that the run would have come to. Data and options have to be those of that run; device, threads and callbacks may be
   * others. Default false.
   */
  resume?: boolean;
  /**
   * Where the checkpoint is of another run: begin a new one with its network, and a new head. Once that has a checkpoint of its own, `resume`
   * goes on from there. Default false.
   */
  resetHead?: boolean;
  /**
   * The model of the result is that of the epoch whose validation was best, by `monitor`; with `checkpoint` it is also kept as
   * `best.safetensors`. Needs `validation`. Default false.
   */
  keepBest?: boolean;
  /** End the run once so many epochs in a row were no better than the best, by `monitor`. Needs `validation`. Default: never. */
  patience?: number;
  /** Which score of the validation is the better one: the higher accuracy, or the lower loss. Default 'accuracy'. */
  monitor?: Monitor;
  /** Scored after every epoch: `{ images, labels }`, or the fraction of each class's training images to hold out. */
  validation?: number | SplitInput;
  /** Aborting it stops the run, frees its memory, and rejects with `signal.reason`. */
  signal?: AbortSignal;
  /** Awaited; what it throws ends the run, and `train()` rejects with it. Steps arrive in groups. */
  onStep?(event: StepEvent, controls: Controls): unknown;
  /**
   * Awaited after each epoch and its validation; what it throws ends the run, and `train()` rejects with it.
   * `controls.model` predicts with the weights of this moment, until the callback has ended.
   */
  onEpoch?(event: EpochEvent, controls: EpochControls): unknown;
  /** A progress display on standard error. Default 'auto': where that is a terminal. */
  progress?: boolean | 'auto';
  /**
   * A folder in which the run is written down as it goes on: an event file for TensorBoard with steps, epochs, histograms and these
   * options; and tables, `steps.csv` with every step and `epochs.csv`. TensorBoard gets every k-th step of a run of more than 10,000, k = ⌈steps/10,000⌉.
   * Written at each epoch, every ten seconds meanwhile, and at the end, whatever that is. A resumed run goes on in the same tables, and in another event file; a new one is
   * refused with LOG_EXISTS where there is a log. Steps that were already running when an abort or an error ended the run are not in it. Default: none.
   */
  logDir?: string;
  /**
   * Of so many test images, or training images where there are none, evenly spread: the embeddings of the trained model for TensorBoard's projector,
   * with the images themselves where they are pictures; in `logDir`. Default: none.
   */
  logEmbeddings?: number;
}

/** Options of `train()`: those of the run, and the head with its own. */
export type TrainOptions = RunOptions & HeadOptions;

/** The projector draws no more. */
const MOST_LOGGED_EMBEDDINGS = 10_000;

/** The options of a run by what they are about: a heading of the command line's help and of the docs each. */
export const RUN_OPTION_GROUPS = {
  data: {
    data: option('images with labels: arrays, a data set by name, or a folder or file of one', checkData, {
      defaultText: 'the bundled sample',
      notation: text([...DATA_SET_NAMES, 'PATH'].join('|')),
    }),
    ...SUBSET_OPTIONS,
    validation: option(
      'what is scored after each epoch: a fraction of the training images to hold out, or images with labels',
      checkValidation,
      {
        defaultText: 'none',
        notation: NUMBER,
      },
    ),
    augment: option('random changes of training images', checkAugment, {
      default: 'none',
      notation: AUGMENT_NOTATION,
      parts: AUGMENT_OPTIONS,
    }),
    normalize: option('how pixels are normalised: by a rule, or by mean and std', checkNormalize, {
      default: 'dataset',
      notation: NORMALIZE_NOTATION,
    }),
    preprocessing: option('how the model will bring pictures to size', checkPreprocessing, {
      defaultText: 'as the data did, or cover',
      parts: PREPROCESSING,
    }),
    model: option('the network', checkModel, { default: () => models.seedCnn(), defaultText: 'seedCnn' }),
  },
  training: {
    epochs: number('passes over the training images', { default: 10, above: 0, max: 1e6 }),
    steps: integer('steps of the whole run, in place of epochs', {
      min: 1,
      max: 2 ** 31,
      defaultText: 'as epochs say',
    }),
    batchSize: integer('images per step', {
      default: defaultBatchSize,
      defaultText: BATCH_SIZE_TEXT,
      min: 1,
    }),
    dropLast: flag('leave a last step out that would have fewer images', { default: false }),
    shuffle: flag('an order of its own for each epoch', { default: true }),
    sampler: option('which images an epoch has, and in what order', checkSampler, {
      defaultText: 'shuffled',
      variants: SAMPLERS,
    }),
    optimizer: option('how a step uses the gradient', checkOptimizer, {
      default: DEFAULT_OPTIMIZER,
      variants: OPTIMIZERS,
    }),
    learningRate: option('a rate, or a schedule', checkLearningRate, {
      default: defaultLearningRate,
      defaultText: LEARNING_RATES_TEXT,
    }),
    clipGradients: number('largest norm of all gradients together: longer ones are scaled down to it', {
      above: 0,
      defaultText: 'none',
    }),
    sampleClasses: number('share of the classes that a step compares, its own and some that are drawn', {
      above: 0,
      max: 1,
      defaultText: 'all',
    }),
    ema: number('decay of a moving average of the weights, which is then the model', {
      above: 0,
      below: 1,
      defaultText: 'none',
    }),
    freeze: option("layers that are not trained, by name or by the beginning of names; 'all'", checkFreeze, {
      default: [],
      defaultText: 'none',
      notation: names('LAYER'),
    }),
    layerLr: option('factors of the learning rate for layers, named as in freeze', checkLayerLr, {
      default: {},
      defaultText: '1 for all',
      notation: { form: 'LAYER=…,LAYER=…', parse: parseNamedNumbers },
    }),
    seed: integer('weights, shuffles, dropout and augmentation follow from it', {
      default: 0,
      min: 0,
      below: 2 ** 32,
    }),
  },
  keeping: {
    checkpoint: option('a folder in which the run is kept, to be resumed', checkPath, {
      defaultText: 'none',
      notation: text('DIR'),
    }),
    checkpointEvery: option('when a checkpoint is due', checkEvery, {
      default: { epochs: 1, minutes: 10 },
      defaultText: 'epochs=1,minutes=10',
      notation: { form: 'steps=…,epochs=…,minutes=…', parse: parseNamedNumbers },
    }),
    keepCheckpoints: integer('how many of the last checkpoints stay', { default: 3, min: 1 }),
    resume: flag('go on from the last checkpoint, where there is one', { default: false }),
    resetHead: flag("begin with another run's network, and a new head", { default: false }),
    keepBest: flag('the model of the epoch with the best validation', { default: false }),
    patience: integer('epochs without a better validation that end the run', {
      min: 1,
      defaultText: 'never',
    }),
    monitor: choice('the score of the validation that tells the best', MONITORS, { default: 'accuracy' }),
  },
  machine: {
    ...PLACEMENT_OPTIONS,
    precision: choice("the network's arithmetic", PRECISIONS, { default: 'fp32' }),
    deterministic: flag('bit-equal results on the same machine', { default: false }),
    distributed: option('share each batch with the other processes of an mpirun', checkDistributed, {
      default: false as const,
      notation: SWITCH,
    }),
  },
  output: {
    progress: option('a progress display on standard error', checkProgress, {
      default: 'auto',
      notation: SWITCH,
    }),
    logDir: option(
      'a folder for what TensorBoard and `margincore watch` show of the run, and tables of it',
      checkPath,
      {
        defaultText: 'none',
        notation: text('DIR'),
      },
    ),
    logEmbeddings: integer("images whose embeddings are there, for TensorBoard's projector", {
      min: 1,
      max: MOST_LOGGED_EMBEDDINGS,
      defaultText: 'none',
    }),
    signal: option('aborts the run', checkSignal),
    onStep: callback<NonNullable<RunOptions['onStep']>>('called after each step'),
    onEpoch: callback<NonNullable<RunOptions['onEpoch']>>('called after each epoch'),
  },
} as const;

export const RUN_OPTIONS = {
  ...RUN_OPTION_GROUPS.data,
  ...RUN_OPTION_GROUPS.training,
  ...RUN_OPTION_GROUPS.keeping,
  ...RUN_OPTION_GROUPS.machine,
  ...RUN_OPTION_GROUPS.output,
} as const satisfies Readonly<Record<keyof RunOptions, Option>>;

/** Options of a run, checked and complete. What depends on the data is resolved once that is loaded. */
export type TrainSettings = Checked<typeof RUN_OPTIONS> & { readonly head: CheckedHead };

/** Checks all options and fills in defaults. Throws INVALID_OPTION. */
export function resolveTrainOptions(options: TrainOptions): TrainSettings {
  const given = checkObject(options, 'options');
  checkHeadKeys(given, Object.keys(RUN_OPTIONS), { explain: explainNested });
  if (given.steps !== undefined && given.epochs !== undefined) {
    throw invalidOption('steps', 'no value beside epochs', given.steps, 'Either says how long the run is');
  }
  const settings = { ...optionValues(RUN_OPTIONS, given), head: checkHead(given) };
  requireOthers(settings);
  requireFitting(settings.sampler, settings);
  return settings;
}

/** Options that mean nothing without another. */
function requireOthers({ checkpoint, validation, logDir, ...settings }: TrainSettings): void {
  const wanting = (names: readonly (keyof typeof settings)[], other: string) => {
    const name = names.find((each) => settings[each] !== undefined && settings[each] !== false);
    if (name !== undefined) throw invalidOption(name, `no value without ${other}`, settings[name]);
  };
  if (checkpoint === undefined) wanting(['resume', 'resetHead'], 'checkpoint, the folder of the run');
  if (logDir === undefined) wanting(['logEmbeddings'], 'logDir, the folder that they are written to');
  if (validation === undefined) wanting(['keepBest', 'patience'], 'validation, by which epochs are compared');
}

/** Says where an option belongs that is one of an option's own. */
function explainNested(key: string): string {
  for (const name of [key, ...namesFor(key)]) {
    const optimizer = Object.entries(OPTIMIZERS).find(([, options]) => Object.hasOwn(options, name));
    if (optimizer !== undefined)
      return `It belongs to the optimizer: optimizer: { type: '${optimizer[0]}', ${name}: … }`;
    const network = NETWORKS.find(([, options]) => Object.hasOwn(options, name));
    if (network !== undefined) return `It belongs to the model: models.${network[0]}({ ${name}: … }), say`;
    if (PARTS_OF_DATA.includes(name)) return `It belongs to data: data: { ${PARTS_OF_DATA.join(', ')} }`;
  }
  const schedule = (Object.keys(SCHEDULE_FORMS) as (keyof typeof SCHEDULES)[]).find(
    (type) => type === key || Object.hasOwn(SCHEDULES[type], key),
  );
  return schedule === undefined
    ? ''
    : `It belongs to a schedule: learningRate: schedules.${SCHEDULE_FORMS[schedule]}, say`;
}

/** For examples: the network that is trained by default, and one with every option. */
const NETWORKS = [
  ['seedCnn', EMBEDDING_OPTIONS],
  ['vgg11', VGG_OPTIONS],
] as const;

const PARTS_OF_DATA: readonly string[] = [
  'images',
  'labels',
  'classNames',
  'test',
] satisfies (keyof ArraysInput)[];

/** How each is made; what several have is shown of the first. */
const SCHEDULE_FORMS: Readonly<Record<keyof typeof SCHEDULES, string>> = {
  cosine: 'cosine({ base, min })',
  warmup: 'cosine({ base, warmup })',
  step: 'step({ base, gamma, milestones })',
  polynomial: 'polynomial({ base, min, power })',
  oneCycle: 'oneCycle({ peak, rise })',
  constant: 'constant(value)',
};

/** Whatever it is: it is looked at when it is loaded. */
function checkData(value: unknown): NonNullable<RunOptions['data']> {
  return value as NonNullable<RunOptions['data']>;
}

const EVERY = {
  steps: integer('', { min: 1 }),
  epochs: integer('', { min: 1 }),
  minutes: number('', { above: 0 }),
};

function checkEvery(value: unknown, name: string): CheckpointEvery {
  const every = checkOptions(value, name, EVERY);
  if (Object.keys(every).length > 0) return every;
  throw invalidOption(name, 'steps, epochs or minutes, one at least,', value);
}

function checkLearningRate(value: unknown, option: string): Schedule {
  if (typeof value !== 'number') return checkSchedule(value, option);
  return defaultSchedule(checkNumber(value, option, { min: 0 }));
}

function checkProgress(value: unknown, option: string): boolean | 'auto' {
  if (value === 'auto' || typeof value === 'boolean') return value;
  throw invalidOption(option, "true, false or 'auto'", value);
}

/** Of a split only the form: its images and labels are checked beside the training data. */
function checkValidation(value: unknown, option: string): number | SplitInput {
  if (typeof value === 'number') return checkNumber(value, option, { above: 0, below: 1 });
  checkObject(value, option, 'a fraction between 0 and 1 or { images, labels }');
  return value as SplitInput;
}
