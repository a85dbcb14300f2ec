/**
 * reference.json as TypeScript sees it, and the comparison with it. Stored is, per tensor, its L2 norm and the entries
 * at fixed indices; the measure is the larger of the relative errors of the two.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Digest {
  norm: number;
  entries: number[];
}

export type OptimizerName = 'sgd' | 'adam';
export type HeadName = 'softmax' | 'arcface';

/** Distance of PyTorch's fp32 from its fp64, in the measures of this file; the worst of several ways to compute. */
export interface Noise {
  scores: number;
  embeddings: number;
  firstLoss: number;
  losses: number;
  gradients: Record<string, number>;
  moved: Record<string, number>;
}

export interface Reference {
  seed: number;
  batchSize: number;
  embeddingSize: number;
  data: { count: number; mean: number; std: number; firstLabels: number[]; firstImagesSha256: string };
  permutations: { seed: number; epoch: number; count: number; first: number[] }[];
  arcface: { s: number; m: number };
  optimizers: {
    sgd: { learningRate: number; momentum: number; weightDecay: number };
    adam: { learningRate: number; beta1: number; beta2: number; epsilon: number };
  };
  /** In arena order; softmax has all of them, arcface has no head.bias. */
  tensors: Record<string, { shape: number[]; indices: number[] }>;
  initial: Record<string, Digest>;
  heads: Record<
    HeadName,
    {
      firstLoss: number;
      /** (batchSize, 10), margin-free, of the first batch before training */
      scores: number[];
      /** (batchSize, embeddingSize), the same */
      embeddings: Digest;
      gradients: Record<string, Digest>;
      training: Record<
        OptimizerName,
        {
          losses: number[];
          samplesPastPi: number;
          final: Record<string, Digest>;
          movedNorm: Record<string, number>;
        }
      >;
    }
  >;
  fp32Noise: Record<`${HeadName} ${OptimizerName}`, Noise>;
}

/** Compiled to dist/test/pytorch, but the numbers stay in the source folder. */
const ROOT = join(__dirname, '..', '..', '..');

export const SAMPLE = join(ROOT, 'datasets', 'fashion-mnist-sample');

export const loadReference = (): Reference =>
  JSON.parse(readFileSync(join(ROOT, 'test', 'pytorch', 'reference.json'), 'utf8'));

export const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(sumOver(values.length, (i) => values[i]! ** 2));

/** ‖received − expected‖ / ‖expected‖. NaN, or a wrong length, gives a number that no limit admits. */
export function relativeError(received: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (received.length !== expected.length) return Number.POSITIVE_INFINITY;
  return Math.sqrt(sumOver(expected.length, (i) => (received[i]! - expected[i]!) ** 2)) / norm(expected);
}

/** The larger of the relative errors of the entries at `indices` and of the norm. */
export function distance(received: ArrayLike<number>, indices: number[], expected: Digest): number {
  const entries = indices.map((index) => received[index] ?? Number.NaN);
  return Math.max(
    relativeError(entries, expected.entries),
    Math.abs(norm(received) - expected.norm) / expected.norm,
  );
}

/** The same indices as make_reference.py's `spread`. */
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
