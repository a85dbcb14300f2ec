import { type HeadLossInputs, type HeadLossOptions, headLoss } from '../../lib/index.js';
import { refusal } from '../support/refusal.js';
import {
  arcfaceLogits,
  cosines,
  crossEntropy,
  numericalGradient,
  softmaxLogits,
} from '../support/textbookHead.js';

const N = 7;
const C = 5;
const D = 6;

/** Numbers without a pattern, the same in every run, in (−1, 1). */
const matrix = (rows: number, columns: number, offset: number) =>
  Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) => Math.fround(Math.sin(12.9898 * (i * columns + j) + offset))),
  );

const features = matrix(N, D, 1);
const weights = matrix(C, D, 2);
const bias = matrix(1, C, 3)[0]!;
const labels = Array.from({ length: N }, (_, i) => (3 * i) % C);
const textbook = { features, weights, labels };

const inputs: HeadLossInputs = {
  features: Float32Array.from(features.flat()),
  weights: Float32Array.from(weights.flat()),
  labels: Int32Array.from(labels),
  numClasses: C,
  embeddingSize: D,
};

function expectClose(actual: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  expect(actual).toHaveLength(expected.length);
  const error = Math.sqrt(expected.reduce((sum, value, i) => sum + (actual[i]! - value) ** 2, 0));
  const size = Math.sqrt(expected.reduce((sum, value) => sum + value ** 2, 0));
  expect(error).toBeLessThan(tolerance * size);
}

test('the comparison notices an error of 1e-5', () => {
  expect(() => expectClose([1.00001, 2], [1, 2], 1e-6)).toThrow();
  expect(() => expectClose([Number.NaN, 2], [1, 2], 1e-6)).toThrow();
});

test('softmax with a bias', async () => {
  const result = await headLoss({ ...inputs, bias: Float32Array.from(bias) });
  const loss = (f: number[][], w: number[][], b: readonly number[]) =>
    crossEntropy(softmaxLogits({ ...textbook, features: f, weights: w }, b), labels);
  expect(result.loss).toBeCloseTo(loss(features, weights, bias), 5);
  expectClose(result.logits, softmaxLogits(textbook, bias).flat(), 1e-5);
  expectClose(result.scores, softmaxLogits(textbook, bias).flat(), 1e-5);
  expectClose(result.cosTheta, cosines(textbook).flat(), 1e-5);
  expectClose(result.dFeatures, numericalGradient(features, (f) => loss(f, weights, bias)).flat(), 1e-5);
  expectClose(result.dWeights, numericalGradient(weights, (w) => loss(features, w, bias)).flat(), 1e-5);
  expectClose(result.dBias!, numericalGradient([bias], ([b]) => loss(features, weights, b!)).flat(), 1e-5);
});

test('softmax without a bias has no gradient of one', async () => {
  const result = await headLoss(inputs);
  expectClose(result.scores, softmaxLogits(textbook, Array(C).fill(0)).flat(), 1e-5);
  expect(result.dBias).toBeUndefined();
  expect(result.dScale).toBeUndefined();
});

test.each([
  ['s = 30, m = 0.5', { s: 30, m: 0.5, lambda: 0 }],
  ['s = 8, m = 1.2: some angles pass π', { s: 8, m: 1.2, lambda: 0 }],
  ['s = 4, m = 0.5, λ = 3', { s: 4, m: 0.5, lambda: 3 }],
])('arcface with %s', async (_, { s, m, lambda }) => {
  const result = await headLoss({ ...inputs, head: 'arcface', s: { learn: true, init: s }, m, lambda });
  const loss = (f: number[][], w: number[][], scale: number) =>
    crossEntropy(arcfaceLogits({ features: f, weights: w, labels }, scale, m, lambda), labels);
  expect(result.loss).toBeCloseTo(loss(features, weights, s), 4);
  expectClose(result.logits, arcfaceLogits(textbook, s, m, lambda).flat(), 1e-5);
  expectClose(
    result.scores,
    cosines(textbook)
      .flat()
      .map((cosine) => s * cosine),
    1e-5,
  );
  expectClose(result.cosTheta, cosines(textbook).flat(), 1e-5);
  expectClose(result.dFeatures, numericalGradient(features, (f) => loss(f, weights, s)).flat(), 1e-5);
  expectClose(result.dWeights, numericalGradient(weights, (w) => loss(features, w, s)).flat(), 1e-5);
  const step = 1e-5;
  const dScale = (loss(features, weights, s + step) - loss(features, weights, s - step)) / (2 * step);
  expect(result.dScale!).toBeCloseTo(dScale, 5);
});

test('arcface with m = 0 is the un-margined head exactly', async () => {
  const { logits, scores } = await headLoss({ ...inputs, head: 'arcface', m: 0 });
  expect(logits).toEqual(scores);
});

test('class weights and smoothing are those of PyTorch', async () => {
  const options = { classWeights: [1, 2, 0.5, 3, 1], labelSmoothing: 0.1 };
  const result = await headLoss({ ...inputs, ...options, head: 'arcface', s: 8 });
  const loss = (f: number[][]) =>
    crossEntropy(arcfaceLogits({ ...textbook, features: f }, 8, 0.5), labels, options);
  expect(result.loss).toBeCloseTo(loss(features), 5);
  expectClose(result.dFeatures, numericalGradient(features, loss).flat(), 1e-5);
});

test("'detached': the margin acts on the probabilities, but dz_y/dcosθ_y is s", async () => {
  const s = 8;
  const exact = await headLoss({ ...inputs, head: 'arcface', s, gradient: 'exact' });
  const detached = await headLoss({ ...inputs, head: 'arcface', s, gradient: 'detached' });
  expect(detached.loss).toBe(exact.loss);
  expect(detached.logits).toEqual(exact.logits);
  const dLogits = arcfaceLogits(textbook, s, 0.5).map((row, sample) => {
    const sum = row.reduce((total, z) => total + Math.exp(z), 0);
    return row.map((z, label) => (Math.exp(z) / sum - (label === labels[sample] ? 1 : 0)) / N);
  });
  const linearized = (f: number[][]) =>
    cosines({ ...textbook, features: f })
      .flat()
      .reduce((sum, cosine, i) => sum + dLogits.flat()[i]! * s * cosine, 0);
  expectClose(detached.dFeatures, numericalGradient(features, linearized).flat(), 1e-5);
});

test.each([0, Math.PI])(
  'on top of a class weight, or opposite of it (θ = %d), everything is finite',
  async (theta) => {
    const result = await headLoss({
      head: 'arcface',
      s: 64,
      features: inputs.weights.map((value) => value * Math.round(Math.cos(theta))),
      weights: inputs.weights,
      labels: Int32Array.from({ length: C }, (_, label) => label),
      numClasses: C,
      embeddingSize: D,
    });
    for (const values of [[result.loss], result.logits, result.dFeatures, result.dWeights]) {
      expect(Array.from(values as Float32Array).every(Number.isFinite)).toBe(true);
    }
  },
);

test('a zero row is finite and has no gradient', async () => {
  const result = await headLoss({ ...inputs, head: 'arcface', features: new Float32Array(N * D) });
  expect(Number.isFinite(result.loss)).toBe(true);
  expect(result.dFeatures.every((value) => value === 0)).toBe(true);
});

const refused: [
  string,
  Partial<Record<keyof HeadLossOptions | 'm' | 'featureDropout', unknown>>,
  string,
  string,
][] = [
  [
    'features of another length',
    { features: new Float32Array(5) },
    'INVALID_DATA',
    `expected ${N * D} numbers`,
  ],
  ['features that are no floats', { features: [1, 2] }, 'INVALID_OPTION', 'a Float32Array for features'],
  [
    'a weight that is not finite',
    { weights: new Float32Array(C * D).fill(Number.NaN, 4) },
    'INVALID_DATA',
    'NaN at index 4',
  ],
  [
    'a label out of range',
    { labels: Int32Array.of(0, 1, 2, 5, 0, 0, 0) },
    'INVALID_DATA',
    'label of sample 3',
  ],
  ['a bias of another length', { bias: new Float32Array(2) }, 'INVALID_DATA', `bias: expected ${C} numbers`],
  [
    'a bias of a head that has none',
    { head: 'arcface', bias: new Float32Array(C) },
    'INVALID_OPTION',
    'arcface has no bias',
  ],
  ['a margin of softmax', { m: 0.5 }, 'INVALID_OPTION', 'm is an option of arcface'],
  ['an option of training', { featureDropout: 0.5 }, 'INVALID_OPTION', 'no such option'],
  ['a negative lambda', { lambda: -1 }, 'INVALID_OPTION', 'for lambda'],
  [
    'no samples',
    { features: new Float32Array(), labels: new Int32Array() },
    'INVALID_DATA',
    'one or more samples',
  ],
];

test.each(refused)('%s: refused', async (_, change, code, message) => {
  const error = await refusal(() => headLoss({ ...inputs, ...change } as HeadLossOptions));
  expect(error.code).toBe(code);
  expect(error.message).toContain(message);
});
