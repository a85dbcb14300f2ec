/** A training run once its data is known: everything that has to be worked out before the first step. */

import { invalidOption } from '../base/errors.js';
import type { Dataset, Split } from '../data/index.js';
import { type ChannelNormalization, resolveNormalize } from '../data/normalize.js';
import { type ImageSize, imageSize, requireSize, splitValidation } from '../data/samples.js';
import type { HeadOptions } from '../heads/options.js';
import { type ResolvedHead, resolveHead } from '../heads/resolve.js';
import type { Device, Placement } from '../native/backends.js';
import type { NativeDevice, NativeSession } from '../native/contract.js';
import { callNative, native } from '../native/load.js';
import { hasLayer } from '../networks/layers.js';
import { type Batching, largestBatch } from './batching.js';
import { nativeOptimizer } from './optimizers.js';
import type { Precision, RunOptions, TrainSettings } from './options.js';

export interface TrainJob {
  readonly settings: TrainSettings;
  readonly classNames: readonly string[];
  /** Without the samples that are held out for validation */
  readonly train: Split;
  readonly validation?: Split;
  readonly test?: Split;
  readonly input: ImageSize;
  readonly normalization: ChannelNormalization;
  readonly head: ResolvedHead;
  readonly batching: Batching;
  readonly placement: Placement;
  /** The precision in force. */
  readonly precision: Precision;
}

/**
 * All options as they were in force, defaults and values taken from the data included. With the same `data` they
 * repeat the run: `train({ ...result.options, data })`.
 */
export type EffectiveOptions = HeadOptions &
  Required<Omit<RunOptions, 'data' | 'validation' | 'signal' | 'onStep' | 'onEpoch' | 'progress'>> & {
    /** Where a fraction was asked for. */
    validation?: number;
  };

/** Throws INVALID_OPTION, INVALID_DATA, or SHAPE_MISMATCH where settings and data do not fit. */
export function prepareJob(settings: TrainSettings, dataset: Dataset, placement: Placement): TrainJob {
  const { model } = settings;
  const { classNames, numClasses, test } = dataset;
  if (model.input) requireSize(dataset.train.images, model.input, 'data', `which ${model.name} is made for`);
  const splits = splitValidation(dataset.train, numClasses, settings.validation);
  const head = resolveHead(settings.head as HeadOptions, numClasses);
  const batchStatistics = head.native.scaledBn !== undefined || hasLayer(model.layers, 'batchNorm');
  return {
    settings,
    classNames,
    ...splits,
    ...(test && { test }),
    input: imageSize(splits.train.images),
    normalization: resolveNormalize(settings.normalize, splits.train.images),
    head,
    batching: divide(splits.train.labels.length, settings.batchSize, batchStatistics),
    placement,
    precision:
      placement.backend.name === 'cpu' && settings.precision === 'tf32' ? 'fp32' : settings.precision,
  };
}

/** A session for the job's network, not yet opened: it holds no device memory. Throws SHAPE_MISMATCH or INVALID_OPTION. */
export function createSession(job: TrainJob): NativeSession {
  const { settings, input, normalization, head, batching, placement, precision } = job;
  return callNative(
    () =>
      new (native().Session)({
        backend: placement.backend.name,
        deviceIndex: placement.deviceIndex,
        threads: placement.threads,
        deterministic: settings.deterministic,
        precision,
        seed: settings.seed,
        network: { input: [...input], layers: [...settings.model.layers] },
        head: head.native,
        mean: normalization.mean,
        std: normalization.std,
        batchSize: largestBatch(batching),
        optimizer: nativeOptimizer(settings.optimizer, head.headLr),
      }),
  );
}

/** Throws INVALID_OPTION where batch statistics are needed and a batch has one sample. */
function divide(samples: number, wanted: number, batchStatistics: boolean): Batching {
  const batchSize = Math.min(wanted, samples);
  if (batchStatistics && batchSize === 1) {
    throw invalidOption(
      'batchSize',
      'two or more images per step (batch norm needs them)',
      batchSize,
      samples === 1 ? 'There is only one training image' : '',
    );
  }
  return { samples, batchSize, joinsTail: batchStatistics };
}

export function effectiveOptions(job: TrainJob, { device, threads }: NativeDevice): EffectiveOptions {
  const { settings, normalization, head, precision } = job;
  const { model, epochs, batchSize, optimizer, learningRate, seed, deterministic, validation } = settings;
  return {
    ...(head.effective as HeadOptions),
    model,
    epochs,
    batchSize,
    optimizer,
    learningRate,
    normalize: { mean: [...normalization.mean], std: [...normalization.std] },
    precision,
    device: device as Device,
    threads,
    seed,
    deterministic,
    ...(typeof validation === 'number' && { validation }),
  };
}
