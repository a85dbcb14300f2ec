/**
 * reference.json and graph_reference.json as TypeScript sees them, and the comparison with them. Stored is, per tensor, its L2 norm and the entries
 * at fixed indices; the measure is the larger of the relative errors of the two.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HeadOptions } from '../../lib/heads/options.js';

export interface Digest {
  norm: number;
  entries: number[];
}

export type OptimizerName = 'sgd' | 'adam';

/** Distance of PyTorch's fp32 from its fp64, in the measures of this file; the worst of several ways to compute. */
export interface Noise {
  embeddings: number;
  scores: number;
  finalEmbeddings: number;
  finalScores: number;
  firstLoss: number;
  losses: number;
  gradients: Record<string, number>;
  moved: Record<string, number>;
}

export interface ReferenceHead {
  /** As train() takes them; a `lambda` is a number. */
  options: HeadOptions;
  seed: number;
  /** In arena order, state included */
  tensors: string[];
  /** Those without a gradient. PEDCC's class weights among them are its centroids, which stay as they are. */
  state: string[];
  /** Where tensors start that are not random. */
  constants: Record<string, number>;
  /** Tensors whose gradient is 0 but for rounding; they have no digest. */
  vanishing: string[];
  /** (batchSize, 10), margin-free, of the first batch before training */
  scores: Digest;
  /** Of the first step */
  gradients: Record<string, Digest>;
  training: Partial<Record<OptimizerName, ReferenceTraining>>;
}

export interface ReferenceTraining {
  losses: number[];
  samplesPastPi: number;
  /** Of the first batch after training; batch norms use their running statistics. */
  embeddings: Digest;
  scores: Digest;
  /** What training added to each tensor: weights barely move, so weights themselves would agree too easily. */
  moved: Record<string, Digest>;
}

/** What every case of a file has in common. */
export interface Setting {
  batchSize: number;
  data: { count: number; mean: number; std: number; firstLabels: number[]; firstImagesSha256: string };
  optimizers: {
    sgd: { learningRate: number; momentum: number; weightDecay: number };
    adam: { learningRate: number; beta1: number; beta2: number; epsilon: number };
  };
}

/** What one network gives with each head. */
export interface NetworkReference {
  embeddingSize: number;
  tensors: Record<string, { shape: number[]; indices: number[] }>;
  /** What depends on the seed alone: random weights, and the embeddings of the first batch before training. */
  seeds: Record<number, { initial: Record<string, Digest>; embeddings: Digest }>;
  heads: Record<string, ReferenceHead>;
  fp32Noise: Record<string, Noise>;
}

/** reference.json: the seed CNN */
export interface Reference extends Setting, NetworkReference {
  permutations: { seed: number; epoch: number; count: number; first: number[] }[];
}

/** graph_reference.json */
export interface GraphReference extends Setting {
  networks: Record<string, NetworkReference>;
}

/** Compiled to dist/test/parity, but the numbers stay in the source folder. */
export const ROOT = join(__dirname, '..', '..', '..');

export const SAMPLE = join(ROOT, 'datasets', 'fashion-mnist-sample');

/** One of the files of numbers in this folder. */
export const readJson = (name: string) =>
  JSON.parse(readFileSync(join(ROOT, 'test', 'parity', name), 'utf8'));

export type Limit =
  | 'initial'
  | 'embeddings'
  | 'scores'
  | 'firstLoss'
  | 'gradients'
  | 'losses'
  | 'movedWeights'
  | 'movedBiases'
  /** Of batch norms, and slopes */
  | 'movedScales'
  | 'movedRest'
  | 'movedAdam';

export type Limits = Record<Limit, number>;

/** Those of whole training of the seed CNN, or of graphs, from tolerances.json, which test/gpu/ reads too. */
export function trainingLimits(section: 'training' | 'graphs'): Limits {
  const limits = Object.entries<{ limit: number }>(readJson('tolerances.json')[section]);
  return Object.fromEntries(limits.map(([name, { limit }]) => [name, limit])) as Limits;
}

/** Those of heads alone. */
export function headLimits(): { every: number; dFeaturesOfMany: number; aboveClasses: number } {
  const { every, dFeaturesOfMany } = readJson('tolerances.json').heads;
  return {
    every: every.limit,
    dFeaturesOfMany: dFeaturesOfMany.limit,
    aboveClasses: dFeaturesOfMany.aboveClasses,
  };
}

export const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(sumOver(values.length, (i) => values[i]! ** 2));

/**
 * ‖received − expected‖ / ‖expected‖; 0 where both are exactly 0. NaN, or a wrong length, gives a number that no limit
 * admits.
 */
export function relativeError(received: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (received.length !== expected.length) return Number.POSITIVE_INFINITY;
  const error = Math.sqrt(sumOver(expected.length, (i) => (received[i]! - expected[i]!) ** 2));
  return error === 0 ? 0 : error / norm(expected);
}

/** The larger of the relative errors of the entries at `indices` and of the norm. */
export function distance(received: ArrayLike<number>, indices: number[], expected: Digest): number {
  const entries = indices.map((index) => received[index] ?? Number.NaN);
  return Math.max(relativeError(entries, expected.entries), relativeError([norm(received)], [expected.norm]));
}

/** Those over their limit, in words. Written so that NaN is over every limit. */
export function exceeding(
  values: Record<string, number>,
  limit: number | ((name: string) => number),
): string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    const most = typeof limit === 'number' ? limit : limit(name);
    return value <= most ? [] : [`${name}: ${value.toExponential(1)} > ${most}`];
  });
}

/** The same indices as `spread` in stored.py. */
export function spread(count: number, entries = 64): number[] {
  if (count <= entries) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: entries }, (_, i) => {
    const place = (BigInt(i) << 32n) | ((BigInt(i) * 0x9e3779b9n) & 0xffffffffn);
    return Number((BigInt(count) * place) >> 38n);
  });
}

function sumOver(count: number, term: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += term(i);
  return sum;
}
