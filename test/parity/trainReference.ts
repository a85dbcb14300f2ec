/** train_reference.json as TypeScript sees it, and the limits of the comparison with it. */
import { type Digest, readJson } from './reference.js';

export interface Scores {
  accuracy: number;
  loss: number;
}

export interface Epoch extends Scores {
  /** In degrees, and norms; 5 %, 50 % and 95 % of the images that are trained on. */
  head: Record<'targetAngle' | 'nearestOtherAngle' | 'featureNorm' | 'weightNorm', number[]>;
  validation?: Scores;
}

/** One column per value of a step; momentum where the schedule moves it. */
type Steps = { momentum?: number[] } & Record<
  | 'learningRate'
  | 'lambda'
  | 'marginRamp'
  | 'loss'
  | 'gradientNorm'
  | 'logitGradientNorm'
  | 'correct'
  | 'samples'
  | 'pastPi',
  number[]
>;

export interface TrainCase {
  /** Consecutive stretches of the data, in this order */
  images: { train: number; test?: number; validation?: number };
  /** Of `train()`; `learningRate: 'function'` stands for `rateOfFunction`. */
  options: Record<string, unknown>;
  /** Distance of PyTorch's fp32 from its fp64 by limit; the worst of several ways to compute. */
  noise: Partial<Record<TrainLimit, number>>;
  steps: Steps;
  epochs: Epoch[];
  normalization: { mean: number[]; std: number[] };
  /** Of the tensors that start at random */
  initial: Record<string, Digest>;
  /** What training added to each tensor */
  moved: Record<string, Digest>;
  /** Where there are test images */
  test?: Scores;
  angles?: { ownCentreMean: number; nearestOtherCentreMean: number };
  embeddings?: Digest;
  probabilities?: Digest;
}

export interface TrainReference {
  imagesSha256: string;
  imagesUsed: number;
  cases: Record<string, TrainCase>;
}

export type TrainLimit =
  | 'exact'
  | 'initial'
  | 'losses'
  | 'norms'
  | 'statistics'
  | 'scores'
  | 'movedWeights'
  | 'movedRest';
export type TrainLimits = Record<TrainLimit, number>;

export const trainReference: TrainReference = readJson('train_reference.json');

/** From tolerances.json. */
export function trainLimits(): TrainLimits {
  const limits = Object.entries<{ limit: number }>(readJson('tolerances.json').train);
  return Object.fromEntries(limits.map(([name, { limit }]) => [name, limit])) as TrainLimits;
}
