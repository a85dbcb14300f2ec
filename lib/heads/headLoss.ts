/** One head alone, forward and backward, on arrays of the caller's. */

import { checkInteger, checkObject } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';
import type { Note } from '../base/note.js';
import { type Given, number, optionValues } from '../base/optionTable.js';
import { type Device, PLACEMENT_OPTIONS, selectDevice } from '../native/backends.js';
import { awaitNative, native } from '../native/load.js';
import type { HeadOptions } from './options.js';
import { checkHead, checkHeadKeys, checkHeadName, headOptionNames, resolveHead } from './resolve.js';

/** Head options that belong to a training run, or have another form here. */
type TrainingOnly = 'bias' | 'featureDropout' | 'headLr' | 'marginWarmup' | 'lambda';
const TRAINING_ONLY: readonly TrainingOnly[] = ['bias', 'featureDropout', 'headLr', 'marginWarmup', 'lambda'];

type WithoutTraining<T> = T extends unknown ? Omit<T, TrainingOnly> : never;

/** N samples, C classes, D features; arrays are row-major. */
export interface HeadLossInputs {
  /** (N, D) */
  features: Float32Array;
  /** (C, D): class weights; of pedcc the centroids, taken by direction */
  weights: Float32Array;
  /** (C): of heads with a bias, such as softmax. Default: none. */
  bias?: Float32Array;
  /** (C, D): of heads with center loss. Default: 0. */
  centers?: Float32Array;
  /** (N): the target class of each sample */
  labels: Int32Array;
  /** C ≥ 2 */
  numClasses: number;
  /** D */
  embeddingSize: number;
  /** Target logits are (λ·plain + with margin)/(1 + λ). Default 0. */
  lambda?: number;
  /** Default 'auto' */
  device?: Device;
  /** Default: physical cores, within affinity, quota and OMP_NUM_THREADS */
  threads?: number;
}

/** The inputs with a head and its options, as `train()` takes them. */
export type HeadLossOptions = WithoutTraining<HeadOptions> & HeadLossInputs;

/** What `headLoss` resolves to, for N samples, C classes and D features; arrays are row-major. */
export interface HeadLossResult {
  /** (Weighted) mean over the samples, with margin and auxiliary loss */
  readonly loss: number;
  /** (N, C): with margin, as they enter the softmax */
  readonly logits: Float32Array;
  /** (N, C): margin-free, as predicted; where logits are normalised, by the statistics of these samples */
  readonly scores: Float32Array;
  /** (N, C): cosine between each feature row and each class weight */
  readonly cosTheta: Float32Array;
  /** (N, D): gradient of the loss */
  readonly dFeatures: Float32Array;
  /** (C, D); 0 for pedcc, whose centroids do not move */
  readonly dWeights: Float32Array;
  /** (C): where a bias was given */
  readonly dBias?: Float32Array;
  /** Where `s` or `alpha` is learned */
  readonly dScale?: number;
  /** (C, D): Σ(c_j − x)/(1 + n_j) over the samples of class j, which `rate` multiplies; of heads with center loss */
  readonly dCenters?: Float32Array;
  /** Of the head's options: what is allowed but will not work well, as in the result of `train()` */
  readonly notes: readonly Note[];
}

const INPUTS = Object.keys({
  features: 0,
  weights: 0,
  bias: 0,
  centers: 0,
  labels: 0,
  numClasses: 0,
  embeddingSize: 0,
  lambda: 0,
  device: 0,
  threads: 0,
} satisfies Record<keyof HeadLossInputs, 0>);

/** The inputs that are no arrays, and may be left out. */
const SETTINGS = { lambda: number('', { default: 0, min: 0 }), ...PLACEMENT_OPTIONS } as const;

/**
 * A head's loss on given features and class weights, with its gradients: for checking a head against a formula or
 * another implementation. Rejects with INVALID_OPTION for an option, and INVALID_DATA for what an array holds.
 */
export async function headLoss(options: HeadLossOptions): Promise<HeadLossResult> {
  const given = checkObject(options, 'options');
  checkHeadKeys(given, INPUTS, { except: TRAINING_ONLY });
  const { features, weights, bias, centers, labels, numClasses, embeddingSize } = options;
  const { lambda, device, threads } = optionValues(SETTINGS, given);
  const head = resolveHead(checkHead(headOptions(given)), numClasses);
  checkInteger(embeddingSize, 'embeddingSize', { min: 1 });
  checkLabels(labels, numClasses);
  checkFloats(features, 'features', labels.length * embeddingSize, 'labels.length × embeddingSize');
  checkFloats(weights, 'weights', numClasses * embeddingSize, 'numClasses × embeddingSize');
  if (bias !== undefined) checkFloats(bias, 'bias', numClasses, 'numClasses');
  if (centers !== undefined) {
    checkFloats(centers, 'centers', numClasses * embeddingSize, 'numClasses × embeddingSize');
    const { centerWeight, fixedWeights } = head.native;
    if (centerWeight === 0 || fixedWeights) {
      throw invalidOption('centers', 'no value (this head has no center loss)', centers);
    }
  }
  const placement = await selectDevice(device, threads);
  const { seconds: _, ...result } = await awaitNative(() =>
    native().headLoss({
      backend: placement.backend.name,
      deviceIndex: placement.deviceIndex,
      threads: placement.threads,
      head: head.native,
      embeddingSize,
      features,
      weights,
      ...(bias !== undefined && { bias }),
      ...(centers !== undefined && { centers }),
      labels,
      lambda,
    }),
  );
  return { ...result, notes: head.notes };
}

/** The head's options with `bias` as a head knows it: whether there is one. */
function headOptions({ bias, lambda: _, ...options }: Given): Given {
  const head = checkHeadName(options.head);
  if (headOptionNames(head).includes('bias')) return { ...options, bias: bias !== undefined };
  if (bias === undefined) return options;
  throw invalidOption('bias', `no value (the head ${head} has no bias)`, bias);
}

function checkFloats(value: Float32Array, name: string, length: number, formula: string): void {
  if (!isKind(value, 'Float32Array')) throw invalidOption(name, 'a Float32Array', value);
  if (value.length !== length) {
    throw invalidData(`${name}: expected ${length} numbers (${formula}), found ${value.length}`);
  }
  const bad = value.findIndex((number) => !Number.isFinite(number));
  if (bad >= 0) throw invalidData(`${name}: expected finite numbers, found ${value[bad]} at index ${bad}`);
}

function checkLabels(labels: Int32Array, numClasses: number): void {
  if (!isKind(labels, 'Int32Array')) throw invalidOption('labels', 'an Int32Array', labels);
  if (labels.length === 0) throw invalidData('labels: expected one or more samples, found none');
  const bad = labels.findIndex((label) => label < 0 || label >= numClasses);
  if (bad < 0) return;
  throw invalidData(
    `labels: label of sample ${bad}: expected an integer in 0…${numClasses - 1}, found ${labels[bad]}`,
  );
}

/** By tag: under some test runners a caller's arrays come from another realm. */
function isKind(value: unknown, kind: string): boolean {
  return Object.prototype.toString.call(value) === `[object ${kind}]`;
}

function invalidData(message: string): MarginCoreError {
  return new MarginCoreError('INVALID_DATA', message);
}
