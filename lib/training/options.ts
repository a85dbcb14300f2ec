/** The options of `train()`: their types, their defaults, and the one place that checks them. */

import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
} from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import type { DataInput } from '../data/index.js';
import { checkNormalize, type Normalize } from '../data/normalize.js';
import type { SplitInput } from '../data/types.js';
import type { EffectiveHead, HeadOptions } from '../heads/options.js';
import { checkHeadKeys, checkHeadValues } from '../heads/resolve.js';
import { checkDevice, checkThreads, type Device } from '../native/backends.js';
import { checkModel, type ModelDescription, models } from '../networks/index.js';
import { checkSchedule, defaultSchedule, type Schedule } from '../schedules/learningRate.js';
import type { Controls, EpochEvent, StepEvent } from './events.js';
import {
  checkOptimizer,
  DEFAULT_LEARNING_RATE,
  type EffectiveOptimizer,
  type OptimizerOptions,
} from './optimizers.js';

/**
 * 'fp32': single precision throughout. 'tf32': products and convolutions round their operands to 11 bits, which tensor
 * cores take; on the CPU it means 'fp32'. 'bf16': activations and the weights of layers are stored with 8 bits of
 * precision and multiplied so, sums are fp32; the parameters themselves, the head and the optimizer stay fp32 (the
 * head's products are taken as with 'tf32'). Both need a card of compute capability 8.0 or newer; on the CPU, 'bf16' needs
 * a processor with AVX512_BF16 or AMX instructions.
 */
export type Precision = 'fp32' | 'tf32' | 'bf16';

/** Options that do not depend on the head. */
export interface RunOptions {
  /**
   * `datasets.*()`; `{ images, labels, classNames?, test? }`; or a data set's name or folder. Default: the bundled
   * sample.
   */
  data?: DataInput | Promise<DataInput> | string;
  /** Default: `models.seedCnn()` */
  model?: ModelDescription;
  /** Default 10 */
  epochs?: number;
  /** Images per step. The last step of an epoch has the rest. Default 128. */
  batchSize?: number;
  /** Default 'adam' */
  optimizer?: OptimizerOptions;
  /**
   * A schedule; or a number, from which a cosine falls to 0 after a warm-up over the first 1 % of training
   * (`schedules.constant(rate)` keeps it). Default 1e-3, for 'sgd' 0.1.
   */
  learningRate?: number | Schedule;
  /** How pixels are normalised, in training and ever after. Default 'dataset'. */
  normalize?: Normalize;
  /** Of the network's arithmetic. Default 'fp32'. */
  precision?: Precision;
  /** Default 'auto' */
  device?: Device;
  /** Default: physical cores */
  threads?: number;
  /** Weights, shuffles and dropout follow from it: a whole number in [0, 2^32). Default 0. */
  seed?: number;
  /** Bit-equal results on the same kind of machine with the same number of threads. Default false. */
  deterministic?: boolean;
  /** Scored after every epoch: `{ images, labels }`, or the fraction of each class's training images to hold out. */
  validation?: number | SplitInput;
  /** Aborting it stops the run, frees its memory, and rejects with `signal.reason`. */
  signal?: AbortSignal;
  /** Awaited; what it throws ends the run, and `train()` rejects with it. Steps arrive in groups. */
  onStep?(event: StepEvent, controls: Controls): unknown;
  /** Awaited after each epoch and its validation; what it throws ends the run, and `train()` rejects with it. */
  onEpoch?(event: EpochEvent, controls: Controls): unknown;
  /** A progress display on standard error. Default 'auto': where that is a terminal. */
  progress?: boolean | 'auto';
}

/** Options of `train()`: those of the run, and the head with its own. */
export type TrainOptions = RunOptions & HeadOptions;

/** Options of a run, checked and complete. What depends on the data is resolved once that is loaded. */
export interface TrainSettings
  extends Pick<RunOptions, 'data' | 'threads' | 'validation' | 'signal' | 'onStep' | 'onEpoch'> {
  readonly model: ModelDescription;
  readonly head: EffectiveHead;
  readonly epochs: number;
  readonly batchSize: number;
  readonly optimizer: EffectiveOptimizer;
  readonly learningRate: Schedule;
  readonly normalize: Normalize;
  readonly precision: Precision;
  readonly device: Device;
  readonly seed: number;
  readonly deterministic: boolean;
  readonly progress: boolean | 'auto';
}

/** Every key of RunOptions: the type makes a forgotten one a compile error. */
const RUN_OPTIONS = Object.keys({
  data: 0,
  model: 0,
  epochs: 0,
  batchSize: 0,
  optimizer: 0,
  learningRate: 0,
  normalize: 0,
  precision: 0,
  device: 0,
  threads: 0,
  seed: 0,
  deterministic: 0,
  validation: 0,
  signal: 0,
  onStep: 0,
  onEpoch: 0,
  progress: 0,
} satisfies Record<keyof RunOptions, 0>);

/** Checks all options and fills in defaults. Throws INVALID_OPTION. */
export function resolveTrainOptions(options: TrainOptions): TrainSettings {
  const given = checkObject(options, 'options');
  checkHeadKeys(given, RUN_OPTIONS);
  const {
    data,
    model = models.seedCnn(),
    epochs = 10,
    batchSize = 128,
    normalize = 'dataset',
    precision = 'fp32',
    device = 'auto',
    threads,
    seed = 0,
    deterministic = false,
    validation,
    signal,
    onStep,
    onEpoch,
    progress = 'auto',
  } = options;
  const optimizer = checkOptimizer(options.optimizer);
  const { learningRate = DEFAULT_LEARNING_RATE[optimizer.type] } = options;
  return {
    ...(data !== undefined && { data }),
    model: checkModel(model, 'model'),
    head: checkHeadValues(given),
    epochs: checkInteger(epochs, 'epochs', { min: 1 }),
    batchSize: checkInteger(batchSize, 'batchSize', { min: 1 }),
    optimizer,
    learningRate: checkLearningRate(learningRate),
    normalize: checkNormalize(normalize),
    precision: checkOneOf(precision, 'precision', ['fp32', 'tf32', 'bf16']),
    device: checkDevice(device),
    ...(threads !== undefined && { threads: checkThreads(threads) }),
    seed: checkInteger(seed, 'seed', { min: 0, below: 2 ** 32 }),
    deterministic: checkBoolean(deterministic, 'deterministic'),
    ...(validation !== undefined && { validation: checkValidation(validation) }),
    ...(signal !== undefined && { signal: checkSignal(signal) }),
    ...(onStep !== undefined && { onStep: checkFunction(onStep, 'onStep') }),
    ...(onEpoch !== undefined && { onEpoch: checkFunction(onEpoch, 'onEpoch') }),
    progress: checkProgress(progress),
  };
}

function checkLearningRate(value: unknown): Schedule {
  if (typeof value !== 'number') return checkSchedule(value, 'learningRate');
  return defaultSchedule(checkNumber(value, 'learningRate', { min: 0 }));
}

function checkProgress(value: unknown): boolean | 'auto' {
  if (value === 'auto' || typeof value === 'boolean') return value;
  throw invalidOption('progress', "true, false or 'auto'", value);
}

/** Of a split only the form: its images and labels are checked beside the training data. */
function checkValidation(value: number | SplitInput): number | SplitInput {
  if (typeof value === 'number') return checkNumber(value, 'validation', { above: 0, below: 1 });
  checkObject(value, 'validation', 'a fraction between 0 and 1 or { images, labels }');
  return value;
}

/** By its form: a signal may come from another realm. */
function checkSignal(value: AbortSignal): AbortSignal {
  if (typeof value?.aborted === 'boolean' && typeof value.addEventListener === 'function') return value;
  throw invalidOption('signal', 'an AbortSignal', value);
}
