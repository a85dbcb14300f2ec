/** What a diagnosis rests on: what is known of a run from its beginning, and what its epochs have shown so far. */
import type { Margin } from '../heads/margin.js';
import type { ResolvedHead } from '../heads/resolve.js';
import type { Scores } from '../metrics/accuracy.js';
import type { HeadStatistics } from '../metrics/headStatistics.js';

/** What is looked at of an epoch; its record, in `training/events.ts`, says what each number means. */
export interface Epoch {
  readonly epoch: number;
  readonly epochs: number;
  readonly steps: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly meanLearningRate: number;
  readonly margin?: Margin;
  readonly lambda: number;
  readonly pastPi: number;
  readonly gradientNorm: number;
  readonly head: HeadStatistics;
  readonly validation?: Scores;
}

export interface RunFacts {
  readonly head: Pick<ResolvedHead, 'native' | 'headLr'>;
  readonly embeddingSize: number;
  /** The largest factor of the learning rate that a layer of the network has; 0: all are frozen. */
  readonly networkRate: number;
  readonly optimizer:
    | { readonly type: 'adam' | 'adamw' }
    | { readonly type: 'sgd'; readonly momentum: number };
  /** The largest norm of a gradient that the optimizer sees. */
  readonly clipGradients?: number;
  /** How many images each figure is of */
  readonly images: Readonly<Record<Figure['of'], number>>;
  /** Of the whole run */
  readonly steps: number;
  /** Of the training images of each class, their share of all: (C) */
  readonly classShares: Float64Array;
}

/** Accuracy of always answering with the most frequent class. */
export const chance = ({ classShares }: RunFacts): number => classShares.reduce((a, b) => Math.max(a, b), 0);

export const stepsOf = (history: readonly Epoch[]): number =>
  history.reduce((sum, { steps }) => sum + steps, 0);

/** An accuracy, margin-free, and what it was found on. */
export interface Figure {
  readonly accuracy: number;
  readonly of: 'training' | 'measured' | 'validation';
}

/**
 * The best that an epoch shows. Training accuracy is taken while weights move and features are dropped, the share that
 * stands nearest to its own class afterwards, of some of the training images.
 */
export function bestOf({ accuracy, head, validation }: Epoch): Figure {
  const figures: Figure[] = [
    { accuracy, of: 'training' },
    { accuracy: head.nearestOwn, of: 'measured' },
    { accuracy: validation?.accuracy ?? 0, of: 'validation' },
  ];
  return figures.reduce((best, each) => (each.accuracy > best.accuracy ? each : best));
}

export const accuracyOf = (epoch: Epoch): number => bestOf(epoch).accuracy;

/**
 * How far one step moves weights, measured by what the head's are at the beginning: 1 writes them anew. With Adam every
 * step moves every number by about the rate. With SGD momentum repeats the gradient, of which only the length over the
 * whole network is known: more than the head's share, so a bound. Of the rates that layers and the head have, it is the largest.
 */
export function stride({ meanLearningRate, gradientNorm }: Epoch, facts: RunFacts): number {
  const { optimizer, clipGradients = Number.POSITIVE_INFINITY, head, networkRate, embeddingSize } = facts;
  const { numClasses } = head.native;
  const rate = meanLearningRate * Math.max(networkRate, head.headLr);
  const initial = Math.sqrt(2 / (numClasses + embeddingSize)); // root mean square, Xavier-uniform
  if (optimizer.type !== 'sgd') return rate / initial;
  const length = initial * Math.sqrt(numClasses * embeddingSize);
  return (rate * Math.min(gradientNorm, clipGradients)) / (1 - optimizer.momentum) / length;
}

/** How far all steps so far could have moved the weights at most, in the same measure. */
export const path = (history: readonly Epoch[], facts: RunFacts): number =>
  history.reduce((sum, epoch) => sum + epoch.steps * stride(epoch, facts), 0);

/** Median length of the class weights, as a multiple of what it is at the beginning. */
export function weightGrowth({ head }: Epoch, { head: { native }, embeddingSize: size }: RunFacts): number {
  return head.weightNorm[1] / Math.sqrt((2 * size) / (native.numClasses + size));
}

/** A probability below which logits say next to nothing. */
const TOO_UNSURE = 0.05;

/** Where the head gives logits their size: even a perfectly placed sample would get no probability to speak of. */
export function isUnsure(epoch: Epoch, facts: RunFacts): boolean {
  const { normalizeFeatures, scaledBn } = facts.head.native;
  return (normalizeFeatures || scaledBn !== undefined) && reachable(epoch, facts) < TOO_UNSURE;
}

/**
 * The probability of a perfectly placed sample, without margin: all other classes stand at cosθ = −1/(C−1). Of normalised
 * logits: each class is one of C, so that mean 0 and variance m² make m·√(C−1) of its own and −m/√(C−1) of others.
 */
export function reachable({ head }: Epoch, { head: { native } }: RunFacts): number {
  const { numClasses, scale, scaledBn, normalizeWeights } = native;
  const others = numClasses - 1;
  const length = scale * (normalizeWeights ? 1 : head.weightNorm[1]);
  const gap = scaledBn
    ? scaledBn.scale * (Math.sqrt(others) + 1 / Math.sqrt(others))
    : length * (1 + 1 / others);
  return 1 / (1 + others * Math.exp(-gap));
}
