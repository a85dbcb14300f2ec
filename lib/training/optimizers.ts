/** Optimisers: what a user may say about them, and what the native side is told. */
import { checkOneOf, isRecord } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { checkVariant, flag, type Given, number } from '../base/optionTable.js';
import { namesFor } from '../base/otherNames.js';
import { givenScale } from '../heads/resolve.js';
import type { NativeOptimizer } from '../native/contract.js';

/** Stochastic gradient descent as in PyTorch: v = momentum·v + g, w −= learningRate·v. */
export interface SgdOptions {
  type: 'sgd';
  /** In [0, 1). Default 0.9. */
  momentum?: number;
  /** Default false */
  nesterov?: boolean;
  /** Of convolution, linear and class weights only. Default 5e-4. */
  weightDecay?: number;
}

/** Adam (weight decay added to the gradient) or AdamW (weight decay on the weights themselves), as in PyTorch. */
export interface AdamOptions {
  type: 'adam' | 'adamw';
  /** In [0, 1). Default 0.9. */
  beta1?: number;
  /** In [0, 1). Default 0.999. */
  beta2?: number;
  /** Default 1e-8 */
  epsilon?: number;
  /** Of convolution, linear and class weights only. Default 0 for 'adam', 0.01 for 'adamw'. */
  weightDecay?: number;
}

/** The optimisers by name. */
export type OptimizerType = SgdOptions['type'] | AdamOptions['type'];

/** An optimiser's name, or its options. */
export type OptimizerOptions = OptimizerType | SgdOptions | AdamOptions;

/** An optimiser with every option filled in. */
export type EffectiveOptimizer = Required<SgdOptions> | Required<AdamOptions>;

const weightDecay = (fallback: number) =>
  number('decay of convolution, linear and class weights', { default: fallback, min: 0 });
const ADAM = {
  beta1: number('decay of the mean gradient', { default: 0.9, min: 0, below: 1 }),
  beta2: number('decay of the mean square', { default: 0.999, min: 0, below: 1 }),
  epsilon: number('added to the root of the mean square', { default: 1e-8, above: 0 }),
} as const;

export const OPTIMIZERS = {
  sgd: {
    momentum: number('what a step keeps of the velocity', { default: 0.9, min: 0, below: 1 }),
    nesterov: flag('with a look ahead', { default: false }),
    weightDecay: weightDecay(5e-4),
  },
  adam: { ...ADAM, weightDecay: weightDecay(0) },
  adamw: { ...ADAM, weightDecay: weightDecay(0.01) },
} as const;

export const DEFAULT_OPTIMIZER: OptimizerType = 'adam';

/** The learning rates where none is given. A scale multiplies the gradient, which Adam divides away again. */
const ADAM_RATE = 1e-3;
const SGD_RATE = 0.03;
const SGD_RATE_TIMES_SCALE = 0.1;

/** The same in words. */
export const LEARNING_RATES_TEXT =
  '1e-3; for sgd 0.03, or 0.1 divided by the scale of the head where that is less';

/** The learning rate by the optimizer and the head, as a user wrote them. Throws INVALID_OPTION for options of the head. */
export function defaultLearningRate({ optimizer = DEFAULT_OPTIMIZER, ...head }: Given): number {
  const type = isRecord(optimizer) ? optimizer.type : optimizer;
  if (type !== 'sgd') return ADAM_RATE;
  return Math.min(SGD_RATE, SGD_RATE_TIMES_SCALE / (givenScale(head) ?? 1));
}

export function checkOptimizer(value: unknown, option: string): EffectiveOptimizer {
  const types = Object.keys(OPTIMIZERS) as OptimizerType[];
  const given = typeof value === 'string' ? { type: checkOneOf(value, option, types) } : value;
  if (isRecord(given)) refuseRate(given, option);
  return checkVariant(given, option, OPTIMIZERS, 'a name or { type, … }');
}

/** Elsewhere the rate is the optimizer's. */
function refuseRate(given: Given, option: string): void {
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || ![key, ...namesFor(key)].includes('learningRate')) continue;
    throw invalidOption(
      `${option}.${key}`,
      'no value (there is no such option)',
      value,
      'The rate is an option beside the optimizer: learningRate',
    );
  }
}

/** What steps go on from, beside the model. */
export interface StepState {
  /** How many numbers the optimizer keeps of each parameter: SGD its velocity, Adam two means. */
  readonly moments: number;
  /** Whether the model is an average of what steps change. */
  readonly isAveraged: boolean;
}

export const stepStateOf = ({ optimizer: { type }, ema }: UpdateSettings): StepState => ({
  moments: type === 'sgd' ? 1 : 2,
  isAveraged: ema !== undefined,
});

/** The native side takes every optimiser's values at once and reads those of its type. */
export function nativeOptimizer(
  { optimizer, clipGradients, ema }: UpdateSettings,
  headLr: number,
): NativeOptimizer {
  const unused = { momentum: 0, nesterov: false, beta1: 0, beta2: 0, epsilon: 0 };
  return {
    ...{ ...unused, ...optimizer, headLr },
    ...(clipGradients !== undefined && { clipGradients }),
    ...(ema !== undefined && { averageDecay: ema }),
  };
}

/** What of a run's settings says how a step changes the parameters. */
interface UpdateSettings {
  readonly optimizer: EffectiveOptimizer;
  readonly clipGradients?: number | undefined;
  readonly ema?: number | undefined;
}
