/** Optimisers: what a user may say about them, and what the native side is told. */
import { checkBoolean, checkKeys, checkNumber, checkObject, checkOneOf, type Range } from '../base/check.js';
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

export type OptimizerType = SgdOptions['type'] | AdamOptions['type'];

/** An optimiser's name, or its options. */
export type OptimizerOptions = OptimizerType | SgdOptions | AdamOptions;

/** An optimiser with every option filled in. */
export type EffectiveOptimizer = Required<SgdOptions> | Required<AdamOptions>;

const WEIGHT_DECAY: Readonly<Record<OptimizerType, number>> = { sgd: 5e-4, adam: 0, adamw: 0.01 };

/** The learning rate where none is given. */
export const DEFAULT_LEARNING_RATE: Readonly<Record<OptimizerType, number>> = {
  sgd: 0.1,
  adam: 1e-3,
  adamw: 1e-3,
};

export function checkOptimizer(value: unknown = 'adam'): EffectiveOptimizer {
  const types = Object.keys(WEIGHT_DECAY) as OptimizerType[];
  if (typeof value === 'string') return checkOptimizer({ type: checkOneOf(value, 'optimizer', types) });
  const given = checkObject(value, 'optimizer', 'a name or { type, … }');
  const type = checkOneOf(given.type, 'optimizer.type', types);
  const number = (key: string, fallback: number, range: Range = { min: 0 }) =>
    checkNumber(given[key] === undefined ? fallback : given[key], `optimizer.${key}`, range);
  const fraction = (key: string, fallback: number) => number(key, fallback, { min: 0, below: 1 });

  const weightDecay = number('weightDecay', WEIGHT_DECAY[type]);
  if (type === 'sgd') {
    checkKeys(given, ['type', 'momentum', 'nesterov', 'weightDecay'], 'optimizer.');
    const { nesterov = false } = given;
    return {
      type,
      momentum: fraction('momentum', 0.9),
      nesterov: checkBoolean(nesterov, 'optimizer.nesterov'),
      weightDecay,
    };
  }
  checkKeys(given, ['type', 'beta1', 'beta2', 'epsilon', 'weightDecay'], 'optimizer.');
  return {
    type,
    beta1: fraction('beta1', 0.9),
    beta2: fraction('beta2', 0.999),
    epsilon: number('epsilon', 1e-8, { above: 0 }),
    weightDecay,
  };
}

/** The native side takes every optimiser's values at once and reads those of its type. */
export function nativeOptimizer(optimizer: EffectiveOptimizer, headLr: number): NativeOptimizer {
  const unused = { momentum: 0, nesterov: false, beta1: 0, beta2: 0, epsilon: 0 };
  return { ...unused, ...optimizer, headLr };
}
