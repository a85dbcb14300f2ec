/** A training run once its data is known: everything that has to be worked out before the first step. */
import { isDeepStrictEqual } from 'node:util';
import { copyOf } from '../base/copy.js';
import { invalidOption } from '../base/errors.js';
import { type Note, type NoteCode, note } from '../base/note.js';
import { nativeAugmentation, requireAugmentable } from '../data/augment.js';
import { describeEmptyClasses } from '../data/emptyClasses.js';
import { checkSplitOfSize, type ImageSize, imageSize, requireSize } from '../data/imageSize.js';
import type { Dataset, Split } from '../data/index.js';
import { type ChannelNormalization, resolveNormalize } from '../data/normalize.js';
import { DEFAULT_PREPROCESSING, type Preprocessing } from '../data/preprocessing.js';
import { allOf, holdOut, labelsOf, type Samples } from '../data/samples.js';
import type { SUBSET_OPTIONS } from '../data/subset.js';
import { type Launched, launchedBy } from '../distributed/launcher.js';
import { isSharded } from '../distributed/options.js';
import type { Ranks } from '../distributed/ranks.js';
import { hasMargin } from '../heads/margin.js';
import type { HeadOptions } from '../heads/options.js';
import { type ResolvedHead, resolveHead } from '../heads/resolve.js';
import type { Device, Placement } from '../native/backends.js';
import type { NativeDevice, NativeNetwork, NativeSession } from '../native/contract.js';
import { callNative, native } from '../native/load.js';
import { type Precision, precisionOn } from '../native/precision.js';
import type { ModelDescription } from '../networks/index.js';
import { annealingWarning } from '../schedules/annealing.js';
import { notesBeyondTheEnd } from '../schedules/beyondTheEnd.js';
import { type Batching, hasJoinedTail, largestBatch, type RunLength, runLength } from './batching.js';
import { layerRates } from './layerRates.js';
import { nativeOptimizer } from './optimizers.js';
import type { RunOptions, TrainSettings } from './options.js';
import { type EpochOrder, epochOrder } from './samplers/epochOrder.js';

export interface TrainJob {
  readonly settings: TrainSettings;
  readonly classNames: readonly string[];
  /** Without the samples that are held out for validation */
  readonly train: Samples;
  readonly validation?: Samples;
  readonly test?: Samples;
  readonly input: ImageSize;
  readonly normalization: ChannelNormalization;
  readonly preprocessing: Preprocessing;
  /** Of the data, as the notes are. */
  readonly dataPreprocessing: Preprocessing | undefined;
  readonly dataNotes: readonly Note[];
  readonly head: ResolvedHead;
  /** The factor of the learning rate of each layer, 0 where nothing of it is trained; undefined: all 1. */
  readonly layerRates: Float32Array | undefined;
  readonly order: EpochOrder;
  readonly batching: Batching;
  readonly length: RunLength;
  readonly placement: Placement;
  /** The precision in force. */
  readonly precision: Precision;
  /** That train together; undefined: this process alone. */
  readonly ranks?: Ranks;
}

/** Whether this process is the one that keeps the run. */
export const isLeader = ({ ranks }: TrainJob) => (ranks?.rank ?? 0) === 0;

/** Whether each process has the class weights of a part of the classes. */
export const shardsClasses = ({ settings: { distributed }, classNames }: TrainJob) =>
  distributed !== false && isSharded(distributed, classNames.length);

/** What is of this run alone: its data, its folders, who is told. */
type NotRepeated =
  | 'data'
  | 'checkpoint'
  | 'resume'
  | 'resetHead'
  | 'signal'
  | 'distributed'
  | 'onStep'
  | 'onEpoch'
  | 'progress'
  | 'logDir'
  | 'logEmbeddings';

/** What there is no value for unless somebody gives one. */
type WhereGiven = 'validation' | 'patience' | 'epochs' | 'steps' | Plain;
type Plain = 'sampler' | 'clipGradients' | 'sampleClasses' | 'ema' | keyof typeof SUBSET_OPTIONS;

/**
 * All options as they were in force, defaults and values taken from the data included. With the same `data` they
 * repeat the run: `train({ ...result.options, data })`. They are a copy, which shares nothing with what the caller gave or
 * with the model.
 */
export type EffectiveOptions = HeadOptions &
  Required<Omit<RunOptions, NotRepeated | WhereGiven>> &
  Pick<RunOptions, Plain> & {
    patience?: number;
    /** Where steps were not. */
    epochs?: number;
    /** Where they were asked for. */
    steps?: number;
    /** Where a fraction was asked for. */
    validation?: number;
  };

/** Rejects with INVALID_OPTION, INVALID_DATA, or SHAPE_MISMATCH where settings and data do not fit. */
export async function prepareJob(
  settings: TrainSettings,
  dataset: Dataset,
  placement: Placement,
  ranks?: Ranks,
): Promise<TrainJob> {
  const { model } = settings;
  const { classNames, numClasses, test } = dataset;
  const input = imageSize(dataset.train.images);
  if (model.input) requireSize(dataset.train.images, model.input, 'data', `which ${model.name} is made for`);
  requireAugmentable(settings.augment, input);
  const { train, ...validation } = divideSamples(dataset.train, numClasses, settings.validation);
  const head = resolveHead(settings.head, numClasses);
  requireWeighedImages(head, train);
  requireTwoLabels(head, settings, dataset.numClasses);
  const { layers } = callNative(() => native().summarize(networkOf(model, input)));
  const rates = layerRates(layers, settings.freeze, settings.layerLr);
  // A frozen one does without.
  const trainsBatchNorm = layers.some(({ type }, index) => type === 'batchNorm' && rates?.[index] !== 0);
  const batchStatistics = head.native.scaledBn !== undefined || trainsBatchNorm;
  const order = epochOrder(settings, labelsOf(train), numClasses);
  const batching = divideSteps(order.samples, settings, batchStatistics);
  if (ranks && trainsBatchNorm && !sharesStatistics(settings)) expectRowsForBatchNorm(batching, ranks.size);
  return {
    ...(ranks && { ranks }),
    settings,
    classNames,
    train,
    ...validation,
    ...(test && { test: allOf(test) }),
    input,
    normalization: await resolveNormalize(settings.normalize, train, settings.signal),
    preprocessing: settings.preprocessing ?? dataset.preprocessing ?? DEFAULT_PREPROCESSING,
    dataPreprocessing: dataset.preprocessing,
    dataNotes: dataset.notes ?? [],
    head,
    layerRates: rates,
    order,
    batching,
    length: runLength(batching, settings.epochs, settings.steps),
    placement,
    precision: precisionOn(placement.backend.name, settings.precision),
  };
}

/** A loss in which no image counts is 0 whatever is done. */
function requireWeighedImages({ native: { classWeights } }: ResolvedHead, train: Samples): void {
  if (classWeights === undefined || labelsOf(train).some((label) => classWeights[label]! > 0)) return;
  throw invalidOption('classWeights', 'a weight above 0 for a class that has training images', [
    ...classWeights,
  ]);
}

/** What a mixed image has two of, and some heads take one of. */
function requireTwoLabels(
  head: ResolvedHead,
  { augment, distributed }: TrainSettings,
  classes: number,
): void {
  const mixing = (['mixup', 'cutmix'] as const).find((name) => augment[name] !== undefined);
  const one = takesOneLabel(head.native, distributed !== false && isSharded(distributed, classes));
  if (mixing === undefined || one === undefined) return;
  throw invalidOption(`augment.${mixing}`, `no value beside ${one}`, augment[mixing]);
}

function takesOneLabel(
  { scaledBn, centerWeight }: ResolvedHead['native'],
  sharded: boolean,
): string | undefined {
  if (scaledBn !== undefined) return 'batch norm of the logits (its gradient is that of one label per image)';
  if (centerWeight !== 0)
    return 'a distance to class centres in the loss (a mixed image belongs to no one centre)';
  return sharded
    ? "a head whose classes are divided among processes (distributed: { head: 'replicated' } has all in each)"
    : undefined;
}

function networkOf({ layers, init }: ModelDescription, [H, W, C]: ImageSize): NativeNetwork {
  return { input: [H, W, C], layers: [...layers], ...(init !== undefined && { init }) };
}

/** What the user should know of a job before it runs. */
export function notesOn(job: TrainJob): Note[] {
  const { settings, classNames, train, head, batching, length, placement, precision } = job;
  const { batchSize, learningRate, freeze, model, resume } = settings;
  const sayIf = (is: boolean, code: NoteCode, message: string) => note(code, is ? message : undefined);
  return [
    ...job.dataNotes,
    ...sayIf(
      job.dataPreprocessing !== undefined && !isDeepStrictEqual(job.dataPreprocessing, job.preprocessing),
      'PREPROCESSING_DIFFERS',
      `The model will bring pictures to size by ${JSON.stringify(job.preprocessing)}, the data was by ${JSON.stringify(job.dataPreprocessing)}`,
    ),
    ...note('EMPTY_CLASSES', describeEmptyClasses(train, classNames)),
    ...sayIf(
      batchSize > batching.samples,
      'BATCH_LARGER_THAN_DATA',
      `batchSize ${batchSize} is larger than the ${batching.samples} ${settings.sampler?.type === 'classBalanced' ? 'draws of an epoch' : 'training images'}: ` +
        'a step takes all of them, so an epoch is a single step',
    ),
    ...head.notes,
    ...note(
      'LAMBDA_STAYS_HIGH',
      hasMargin(head.native) ? annealingWarning(head.lambda, length.steps) : undefined,
    ),
    ...notesBeyondTheEnd(learningRate, hasMargin(head.native) ? head.marginWarmup : 0, length),
    ...note('CPU_TAKEN', placement.note),
    ...note(
      'NOT_DISTRIBUTED',
      settings.distributed === false ? ofSeveral(launchedBy(process.env)) : undefined,
    ),
    ...sayIf(
      freeze.length > 0 && model.weights === undefined && !resume,
      'FROZEN_UNTRAINED',
      `freeze keeps ${freeze.join(', ')} at the random weights of the seed: the model has no weights option to give them others`,
    ),
    ...sayIf(
      precision !== settings.precision,
      'PRECISION_CHANGED',
      `Training in ${precision}: the CPU has no ${settings.precision}`,
    ),
    ...sayIf(
      hasJoinedTail(batching),
      'LAST_BATCH_JOINED',
      'The last batch of an epoch would be one image, without batch statistics: it joins the batch before',
    ),
  ];
}

/**
 * A session for the job's network, not yet opened: it holds no device memory. Throws SHAPE_MISMATCH or INVALID_OPTION.
 * @param drawWeights Whether to, where they will not be written before the first step
 */
export function createSession(job: TrainJob, { drawWeights = true } = {}): NativeSession {
  const { settings, input, normalization, head, layerRates, batching, placement, precision } = job;
  return callNative(
    () =>
      new (native().Session)({
        backend: placement.backend.name,
        deviceIndex: placement.deviceIndex,
        threads: placement.threads,
        deterministic: settings.deterministic,
        precision,
        seed: settings.seed,
        network: networkOf(settings.model, input),
        ...(layerRates && { layerRates }),
        head: head.native,
        mean: normalization.mean,
        std: normalization.std,
        augmentation: nativeAugmentation(settings.augment),
        batchSize: largestBatch(batching),
        optimizer: nativeOptimizer(settings, head.headLr),
        drawWeights,
        distributed: settings.distributed !== false,
        shardClasses: shardsClasses(job),
        syncBatchNorm: sharesStatistics(settings),
        ...(settings.sampleClasses !== undefined && { classShare: settings.sampleClasses }),
      }),
  );
}

/** The samples that are trained on and, where asked for, those that training is scored on. */
function divideSamples(
  split: Split,
  numClasses: number,
  validation: TrainSettings['validation'],
): { train: Samples; validation?: Samples } {
  if (validation === undefined) return { train: allOf(split) };
  if (typeof validation === 'number') {
    const { kept, heldOut } = holdOut(split, numClasses, validation);
    return { train: kept, validation: heldOut };
  }
  const checked = checkSplitOfSize(validation, imageSize(split.images), numClasses, 'validation');
  return { train: allOf(split), validation: allOf(checked) };
}

/** Throws INVALID_OPTION where batch statistics are needed and a batch has one sample. */
function divideSteps(
  samples: number,
  { batchSize: wanted, dropLast: dropsTail }: TrainSettings,
  batchStatistics: boolean,
): Batching {
  const batchSize = Math.min(wanted, samples);
  if (batchStatistics && batchSize === 1) {
    throw invalidOption(
      'batchSize',
      'two or more images per step (batch norm needs them)',
      batchSize,
      samples === 1 ? 'An epoch has only one training image' : '',
    );
  }
  return { samples, batchSize, joinsTail: batchStatistics, dropsTail };
}

/** Each process has the statistics of its own rows: of a single one they are none, and no gradient goes through them. */
function expectRowsForBatchNorm({ samples, batchSize, dropsTail, joinsTail }: Batching, ranks: number): void {
  const least = 2 * ranks;
  const need = `batch norm needs two for each of ${ranks} processes`;
  if (batchSize < least)
    throw invalidOption('batchSize', `${least} or more images per step (${need})`, batchSize);
  const tail = samples % batchSize;
  if (dropsTail || tail === 0 || tail >= least || (joinsTail && tail === 1)) return;
  throw invalidOption(
    'batchSize',
    `one that leaves no last step of fewer than ${least} images (${need})`,
    batchSize,
    `Of ${samples} images it leaves ${tail}: dropLast: true leaves these out`,
  );
}

const sharesStatistics = ({ distributed }: Pick<TrainSettings, 'distributed'>) =>
  distributed !== false && distributed.syncBatchNorm;

/** The classic mistake: as many runs as processes. */
const ofSeveral = (launched: Launched | undefined) =>
  launched === undefined || launched.size === 1
    ? undefined
    : `${launched.size} processes were started, and this one trains by itself: distributed: true (--distributed) has them train together`;

export function effectiveOptions(job: TrainJob, { device, threads }: NativeDevice): EffectiveOptions {
  const { normalization, preprocessing, head, precision } = job;
  const { data, checkpoint, resume, resetHead, signal, distributed, onStep, onEpoch, ...rest } = job.settings;
  const { progress, logDir, logEmbeddings, validation, patience, epochs, steps, head: _, ...repeated } = rest;
  const options = {
    ...(head.effective as HeadOptions),
    ...repeated,
    ...(steps === undefined ? { epochs } : { steps }),
    preprocessing,
    normalize: { mean: [...normalization.mean], std: [...normalization.std] },
    precision,
    device: device as Device,
    threads,
    // Images are not repeated, and without them epochs are not compared.
    ...(typeof validation === 'number'
      ? { validation, ...(patience !== undefined && { patience }) }
      : { keepBest: false }),
  };
  return copyOf(options, 'options');
}
