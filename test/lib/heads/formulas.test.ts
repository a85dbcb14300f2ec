/** Every head against the formulas of its paper, in double precision; gradients against central differences. */
import type { HeadLossResult } from '../../../lib/index.js';
import {
  BIASED,
  bias,
  C,
  CENTERED,
  centers,
  D,
  expectClose,
  features,
  floats,
  labels,
  lossOf,
  matrix,
  N,
  weights,
} from '../../support/headInputs.js';
import {
  centerSteps,
  cosines,
  crossEntropy,
  logits,
  type Matrix,
  meanSquaredDistance,
  numericalGradient,
  psi,
  scores,
  type TextbookHead,
  unitRows,
} from '../../support/textbookHead.js';

const textbook = { features, weights, labels };

test('the comparison notices an error of 1e-5', () => {
  expect(() => expectClose([1.00001, 2], [1, 2], 1e-6)).toThrow();
  expect(() => expectClose([Number.NaN, 2], [1, 2], 1e-6)).toThrow();
});

/** What a loss depends on. */
interface Point {
  readonly features: Matrix;
  readonly weights: Matrix;
  readonly bias: readonly number[];
  readonly scale: number;
}

interface Case {
  /** Options of headLoss, beside `inputs` and, where there is a bias or centres, those. */
  readonly options: Record<string, unknown>;
  /** The same as textbooks write it, at a point. */
  readonly head: (point: Point) => TextbookHead;
  /** What the textbook adds to the cross-entropy. */
  readonly auxiliary?: (point: Point) => number;
  /** Margin-free scores that are not the textbook's logits without margin. */
  readonly predicted?: (point: Point) => TextbookHead;
}

const learned = (init: number) => ({ learn: true, init });
const unit = ({ scale }: Point) => ({ s: scale, unitWeights: true });
const plus = (m: number) => (theta: number) =>
  theta + m <= Math.PI ? Math.cos(theta + m) : -2 - Math.cos(theta + m);
const centerLoss = (weight: number) => (point: Point) =>
  (weight / 2) * meanSquaredDistance(point.features, centers, labels);
const unitCenterLoss = (weight: number) => (point: Point) =>
  (weight / 2) * meanSquaredDistance(unitRows(point.features), centers, labels);

/** Every head with its options, and heads with parts of others. */
const CASES: Record<string, Case> = {
  softmax: { options: { ...BIASED }, head: (at) => ({ bias: at.bias }) },
  'softmax without bias': { options: {}, head: () => ({}) },
  'l2-softmax': {
    options: { head: 'l2-softmax', alpha: learned(7), ...BIASED },
    head: (at) => ({ s: at.scale, bias: at.bias }),
  },
  'l2-softmax over the batch': {
    options: { head: 'l2-softmax', l2Scope: 'batch', alpha: learned(7), ...BIASED },
    head: (at) => ({ alphaOfBatch: at.scale, bias: at.bias }),
    predicted: (at) => ({ bias: at.bias }),
  },
  'l2-softmax, alpha = 0': {
    options: { head: 'l2', alpha: 0, ...BIASED },
    head: (at) => ({ bias: at.bias }),
  },
  normface: { options: { head: 'normface', s: learned(9) }, head: unit },
  'l-softmax, m = 1': { options: { head: 'l-softmax', m: 1 }, head: () => ({}) },
  'l-softmax, m = 2': {
    options: { head: 'l-softmax', m: 2 },
    head: () => ({ margin: (theta) => psi(2 * theta) }),
  },
  'l-softmax, m = 4, λ = 5': {
    options: { head: 'l-softmax', lambda: 5 },
    head: () => ({ margin: (theta) => psi(4 * theta), lambda: 5 }),
  },
  'a-softmax, m = 3': {
    options: { head: 'a-softmax', m: 3 },
    head: () => ({ unitWeights: true, margin: (theta) => psi(3 * theta) }),
  },
  'a-softmax, m = 4, λ = 5': {
    options: { head: 'sphereface', lambda: 5 },
    head: () => ({ unitWeights: true, margin: (theta) => psi(4 * theta), lambda: 5 }),
  },
  'am-softmax': {
    options: { head: 'am-softmax', s: learned(8) },
    head: (at) => ({ ...unit(at), margin: (theta) => Math.cos(theta) - 0.35 }),
  },
  'arcface, s = 30': {
    options: { head: 'arcface', s: learned(30) },
    head: (at) => ({ ...unit(at), margin: plus(0.5) }),
  },
  'arcface, m = 1.2: some angles pass π': {
    options: { head: 'arcface', s: learned(8), m: 1.2 },
    head: (at) => ({ ...unit(at), margin: plus(1.2) }),
  },
  'arcface, λ = 3': {
    options: { head: 'arcface', s: learned(4), lambda: 3 },
    head: (at) => ({ ...unit(at), margin: plus(0.5), lambda: 3 }),
  },
  "arcface, wrap 'linear'": {
    options: { head: 'arcface', s: learned(8), m: 1.2, wrap: 'linear' },
    head: (at) => ({
      ...unit(at),
      margin: (theta) =>
        theta + 1.2 <= Math.PI ? Math.cos(theta + 1.2) : Math.cos(theta) - 1.2 * Math.sin(1.2),
    }),
  },
  "arcface, wrap 'none'": {
    options: { head: 'arcface', s: learned(8), m: 1.2, wrap: 'none' },
    head: (at) => ({ ...unit(at), margin: (theta) => Math.cos(theta + 1.2) }),
  },
  'arcface, easyMargin': {
    options: { head: 'arcface', s: learned(8), easyMargin: true },
    head: (at) => ({
      ...unit(at),
      margin: (theta) => Math.cos(theta < Math.PI / 2 ? theta + 0.5 : theta),
    }),
  },
  combined: {
    options: { head: 'combined', s: learned(8), m1: 1.3, m2: 0.2, m3: 0.1 },
    head: (at) => ({ ...unit(at), margin: (theta) => psi(1.3 * theta + 0.2) - 0.1 }),
  },
  'combined, m1 = 2 and nothing else': {
    options: { head: 'combined', s: learned(8), m1: 2, m2: 0 },
    head: (at) => ({ ...unit(at), margin: (theta) => psi(2 * theta) }),
  },
  'combined, m1 = 0.8': {
    options: { head: 'combined', s: learned(8), m1: 0.8, m2: 0, m3: 0.3 },
    head: (at) => ({ ...unit(at), margin: (theta) => Math.cos(0.8 * theta) - 0.3 }),
  },
  pedcc: {
    options: { head: 'pedcc', s: learned(7.5) },
    head: (at) => ({ ...unit(at), margin: (theta) => Math.cos(theta) - 0.35 }),
    auxiliary: (at) => meanSquaredDistance(unitRows(at.features), unitRows(weights), labels),
  },
  'pedcc, weight = 3': {
    options: { head: 'pedcc', s: learned(7.5), m: 0, weight: 3 },
    head: unit,
    auxiliary: (at) => 3 * meanSquaredDistance(unitRows(at.features), unitRows(weights), labels),
  },
  center: {
    options: { head: 'center', weight: 0.3, ...BIASED, ...CENTERED },
    head: (at) => ({ bias: at.bias }),
    auxiliary: centerLoss(0.3),
  },
  'scaled-bn': {
    options: { head: 'scaled-bn', m: 0.9 },
    head: () => ({ scaledBn: { m: 0.9, epsilon: 1e-5 } }),
  },
  'scaled-bn, large epsilon': {
    options: { head: 'sbn', epsilon: 0.5 },
    head: () => ({ scaledBn: { m: 1, epsilon: 0.5 } }),
  },
  'arcface with normalised logits': {
    options: { head: 'arcface', s: learned(4), logitNormalizer: { type: 'scaled-bn', m: 2, epsilon: 0.5 } },
    head: (at) => ({ ...unit(at), margin: plus(0.5), scaledBn: { m: 2, epsilon: 0.5 } }),
  },
  'l-softmax with normalised logits': {
    options: { head: 'l-softmax', m: 3, lambda: 1, logitNormalizer: 'scaled-bn' },
    head: () => ({ margin: (theta) => psi(3 * theta), lambda: 1, scaledBn: { m: 1, epsilon: 1e-5 } }),
  },
  'a-softmax with normalised logits': {
    options: { head: 'a-softmax', m: 2, logitNormalizer: 'scaled-bn' },
    head: () => ({ unitWeights: true, margin: (theta) => psi(2 * theta), scaledBn: { m: 1, epsilon: 1e-5 } }),
  },
  'l2-softmax over the batch with center loss': {
    options: {
      ...{ head: 'l2-softmax', l2Scope: 'batch', alpha: learned(7), ...BIASED },
      ...{ auxiliary: { type: 'center', weight: 0.2 }, ...CENTERED },
    },
    head: (at) => ({ alphaOfBatch: at.scale, bias: at.bias }),
    auxiliary: centerLoss(0.2),
    predicted: (at) => ({ bias: at.bias }),
  },
  'pedcc with normalised logits': {
    options: { head: 'pedcc', s: 4, logitNormalizer: 'scaled-bn' },
    head: (at) => ({
      ...unit(at),
      margin: (theta) => Math.cos(theta) - 0.35,
      scaledBn: { m: 1, epsilon: 1e-5 },
    }),
    auxiliary: (at) => meanSquaredDistance(unitRows(at.features), unitRows(weights), labels),
  },
  'arcface with center loss': {
    options: { head: 'arcface', s: learned(8), auxiliary: { type: 'center', weight: 0.5 }, ...CENTERED },
    head: (at) => ({ ...unit(at), margin: plus(0.5) }),
    auxiliary: unitCenterLoss(0.5),
  },
  'l-softmax with center loss, weights and smoothing': {
    options: {
      ...{ head: 'l-softmax', m: 2, classWeights: [1, 2, 0.5, 3, 1], labelSmoothing: 0.1 },
      ...{ auxiliary: { type: 'center', weight: 0.5 }, ...CENTERED },
    },
    head: () => ({ margin: (theta) => psi(2 * theta) }),
    auxiliary: centerLoss(0.5),
  },
  'arcface, weights and smoothing': {
    options: { head: 'arcface', s: learned(8), classWeights: [1, 2, 0.5, 3, 1], labelSmoothing: 0.1 },
    head: (at) => ({ ...unit(at), margin: plus(0.5) }),
  },
  'scaled-bn, weights and smoothing': {
    options: { head: 'scaled-bn', classWeights: [1, 2, 0.5, 3, 1], labelSmoothing: 0.1 },
    head: () => ({ scaledBn: { m: 1, epsilon: 1e-5 } }),
  },
};

function scaleOf({ s, alpha = 1 }: Record<string, unknown>): number {
  const scale = (s ?? alpha) as number | { init: number };
  return typeof scale === 'number' ? scale : scale.init;
}

describe.each(Object.entries(CASES))('%s', (_, { options, head, auxiliary = () => 0, predicted = head }) => {
  const here: Point = { features, weights, bias, scale: scaleOf(options) };
  const weighting = options as { classWeights?: number[]; labelSmoothing?: number };
  const loss = (change: Partial<Point>) => {
    const at = { ...here, ...change };
    const all = logits({ ...at, labels }, head(at));
    return crossEntropy(all, labels, weighting) + auxiliary(at);
  };
  let result: HeadLossResult;
  beforeAll(async () => {
    result = await lossOf(options);
  });

  test('loss and logits are those of the formula', () => {
    expectClose([result.loss], [loss({})]);
    expectClose(result.logits, logits(textbook, head(here)).flat());
    expectClose(result.scores, scores(textbook, predicted(here)).flat());
    expectClose(result.cosTheta, cosines(textbook).flat());
  });

  test('gradients are those of the formula', () => {
    expectClose(result.dFeatures, numericalGradient(features, (f) => loss({ features: f })).flat());
    if (options.head === 'pedcc') expect(result.dWeights).toEqual(new Float32Array(C * D));
    else expectClose(result.dWeights, numericalGradient(weights, (w) => loss({ weights: w })).flat());
    if ('bias' in options) {
      expectClose(result.dBias!, numericalGradient([bias], (b) => loss({ bias: b[0]! })).flat());
    } else expect(result).not.toHaveProperty('dBias');
    if (typeof (options.s ?? options.alpha) === 'object') {
      expectClose(
        [result.dScale!],
        numericalGradient([[here.scale]], (s) => loss({ scale: s[0]![0]! })).flat(),
      );
    } else expect(result).not.toHaveProperty('dScale');
  });

  test('centres follow their class', () => {
    if (!('centers' in options)) return expect(result).not.toHaveProperty('dCenters');
    const compared = options.head === 'arcface' ? unitRows(features) : features;
    expectClose(result.dCenters!, centerSteps(compared, centers, labels).flat());
  });
});

test('center loss of embeddings of one number', async () => {
  const [x, w, c] = [matrix(N, 1, 1), matrix(C, 1, 2), matrix(C, 1, 4)];
  const result = await lossOf({
    ...{ head: 'center', weight: 0.5, embeddingSize: 1 },
    ...{ features: floats(x), weights: floats(w), centers: floats(c) },
  });
  const loss = (f: Matrix) =>
    crossEntropy(logits({ features: f, weights: w, labels }, {}), labels) +
    0.25 * meanSquaredDistance(f, c, labels);
  expectClose([result.loss], [loss(x)]);
  expectClose(result.dFeatures, numericalGradient(x, loss).flat());
  expectClose(result.dCenters!, centerSteps(x, c, labels).flat());
});

test("'detached': the margin acts on the probabilities, but dz_y/dcosθ_y is s", async () => {
  const s = 8;
  const exact = await lossOf({ head: 'arcface', s, gradient: 'exact' });
  const detached = await lossOf({ head: 'arcface', s, gradient: 'detached' });
  expect(detached.loss).toBe(exact.loss);
  expect(detached.logits).toEqual(exact.logits);
  const dLogits = logits(textbook, { s, unitWeights: true, margin: plus(0.5) }).map((row, sample) => {
    const sum = row.reduce((total, z) => total + Math.exp(z), 0);
    return row.map((z, label) => (Math.exp(z) / sum - (label === labels[sample] ? 1 : 0)) / N);
  });
  const linearized = (f: number[][]) =>
    cosines({ ...textbook, features: f })
      .flat()
      .reduce((sum, cosine, i) => sum + dLogits.flat()[i]! * s * cosine, 0);
  expectClose(detached.dFeatures, numericalGradient(features, linearized).flat());
});
