/** What pictures of a run need, as plain data that is kept beside its outcome: its epochs, and what its model does with images that it has not seen. */
import { allOf, imagesOf, labelsOf, spreadOf } from '../data/samples.js';
import type { Split } from '../data/types.js';
import { findMistakes, type Mistake } from '../metrics/mistakes.js';
import { principalComponents } from '../metrics/principalComponents.js';
import type { Environment } from '../native/environment.js';
import type { EpochRecord } from '../training/events.js';
import type { TrainResult } from '../training/run.js';

/** What pictures of a run are drawn from: its epochs, and what its model does with images that were not trained on. */
export interface Analysis {
  readonly epochs: readonly AnalysedEpoch[];
  /** What computed it */
  readonly environment: Omit<Environment, 'memory' | 'pluginPath'>;
  /** Of up to 1,000 images, evenly spread */
  readonly embeddings: {
    /** 2 of an embedding in the plane; 3: principal components */
    readonly dimensions: 2 | 3;
    /** (N, dimensions), row-major */
    readonly points: readonly number[];
    readonly labels: readonly number[];
  };
  /** Shares of the test images by angle in degrees: to their own class's centre, and to the nearest other. */
  readonly angles?: { readonly own: readonly number[]; readonly nearestOther: readonly number[] };
  /** Of test images and all classes, without margin: shares by size, in bins as wide as each other. */
  readonly logits: {
    readonly first: number;
    readonly width: number;
    readonly shares: readonly number[];
    readonly mean: number;
    readonly std: number;
  };
  /** Of up to 1,000 class weights, the longest first */
  readonly weightNorms: readonly number[];
  /** Those of which the wrong class is most probable beside the label. Of images of known classes. */
  readonly hardest?: readonly Mistake[];
}

/**
 * An epoch as pictures show it; angles in degrees, as medians.
 * @interface
 */
export type AnalysedEpoch = Pick<
  EpochRecord,
  'epoch' | 'loss' | 'accuracy' | 'learningRate' | 'gradientNorm' | 'logitGradientNorm' | 'seconds'
> & { readonly targetAngle: number; readonly nearestOtherAngle: number };

const SHOWN = 1000;
const HARDEST = 8;
/** One degree each */
const BINS = 180;

/** @param split Images that were not trained on @param isOfClasses Whether they are of the model's classes */
export async function analyse(
  { model, history, angles, environment: { memory, pluginPath, ...environment } }: TrainResult,
  split: Split,
  isOfClasses: boolean,
  signal?: AbortSignal,
): Promise<Analysis> {
  const settings = { ...(signal && { signal }) };
  const shown = spreadOf(allOf(split), SHOWN);
  const { data, shape } = await model.embed(imagesOf(shown), { normalize: false, ...settings });
  const [, size] = shape;
  const dimensions = size === 2 ? 2 : 3;
  const points = size === 2 ? data : await principalComponents(data, size, 3, signal);
  return {
    epochs: history.map(analysedEpoch),
    environment,
    embeddings: { dimensions, points: Array.from(points, short), labels: [...labelsOf(shown)] },
    ...(angles && { angles: { own: shares(angles.own), nearestOther: shares(angles.nearestOther) } }),
    ...(await sizesOf(model, split, settings)),
    ...(isOfClasses && { hardest: await hardestOf(model, split, settings) }),
  };
}

async function sizesOf(
  model: TrainResult['model'],
  { images }: Split,
  settings: { signal?: AbortSignal },
): Promise<Pick<Analysis, 'logits' | 'weightNorms'>> {
  const { logits, weightNorms } = await model.logitStatistics(images, settings);
  const { edges, counts, mean, std } = logits;
  const [first, second] = edges as unknown as [number, number];
  const total = counts.reduce((sum, count) => sum + count, 0);
  const sorted = weightNorms.toSorted((a, b) => b - a);
  const each = Math.ceil(sorted.length / SHOWN);
  return {
    logits: {
      first,
      width: second - first,
      shares: Array.from(counts, (count) => short(count / total)),
      mean: short(mean),
      std: short(std),
    },
    weightNorms: Array.from(
      sorted.filter((_, rank) => rank % each === 0),
      short,
    ),
  };
}

function analysedEpoch(record: EpochRecord): AnalysedEpoch {
  const { epoch, loss, accuracy, learningRate, gradientNorm, logitGradientNorm, seconds, head } = record;
  const [, targetAngle] = head.targetAngle;
  const [, nearestOtherAngle] = head.nearestOtherAngle;
  return {
    ...{ epoch, loss, accuracy, learningRate, gradientNorm, logitGradientNorm, seconds },
    ...{ targetAngle, nearestOtherAngle },
  };
}

async function hardestOf(
  model: TrainResult['model'],
  split: Split,
  settings: { signal?: AbortSignal },
): Promise<Mistake[]> {
  const prediction = await model.predict(split.images, settings);
  const labels = labelsOf(allOf(split));
  const lead = ({ predictedProbability, labelProbability }: Mistake) =>
    predictedProbability - labelProbability;
  return findMistakes(prediction, labels, model.classNames.length)
    .sort((a, b) => lead(b) - lead(a))
    .slice(0, HARDEST);
}

function shares(degrees: Float32Array): number[] {
  const counts = new Array<number>(BINS).fill(0);
  for (const value of degrees) counts[Math.min(BINS - 1, Math.max(0, Math.floor(value)))]! += 1;
  return counts.map((count) => short(count / degrees.length));
}

/** What a picture can show of a number. */
const short = (value: number) => Number(value.toPrecision(5));
