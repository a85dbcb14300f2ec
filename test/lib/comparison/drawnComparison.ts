/** A comparison of made-up numbers, the same on every machine: what pictures of the page are compared by. */
import type { PageInput } from '../../../lib/comparison/page.js';
import type { ComparisonRow } from '../../../lib/index.js';

const HEADS = ['softmax', 'arcface (m = 0.3)', 'scaled-bn'];
const CLASSES = ['cat', 'dog', 'horse', 'ship'];

/** Numbers in 0…1 */
function uniforms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const bell = (place: number, mean: number, width: number) => Math.exp(-(((place - mean) / width) ** 2));

function shares(count: number, mean: number, width: number): number[] {
  const values = Array.from({ length: count }, (_, bin) => {
    const share = bell(bin, mean, width);
    return share < 1e-4 ? 0 : share;
  });
  const sum = values.reduce((total, value) => total + value, 0);
  return values.map((value) => value / sum);
}

function rowOf(head: string, index: number): ComparisonRow {
  const random = uniforms(index + 1);
  const labels = Array.from({ length: 120 }, (_, i) => i % CLASSES.length);
  const values = [0.8, 0.81, 0.79].map((value) => value + 0.02 * index + 0.004 * random());
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    key: { head },
    accuracy: { mean, std: 0.01, values },
    confusion: CLASSES.map((_, row) =>
      CLASSES.map((__, column) => (row === column ? 80 : 4 + index + column)),
    ),
    analysis: {
      epochs: Array.from({ length: 8 }, (_, epoch) => ({
        ...{ epoch: epoch + 1, loss: (2 + index) / (epoch + 1), accuracy: 1 - 0.6 / (epoch + 1 + index) },
        ...{ learningRate: 0.01, gradientNorm: 1, logitGradientNorm: 0.5 / (epoch + 1 + index), seconds: 1 },
        ...{ targetAngle: 80 - 5 * epoch - 6 * index, nearestOtherAngle: 70 },
      })),
      environment: {
        ...{ margincore: '0', node: 'v0', backend: 'cpu', device: 'cpu', description: 'none', threads: 1 },
        ...{ versions: { addon: '0', backend: '0' }, simulated: false },
      },
      embeddings: {
        dimensions: index === 0 ? 2 : 3,
        points: labels.flatMap((label) =>
          Array.from(
            { length: index === 0 ? 2 : 3 },
            (_, axis) => Math.cos(label * 2 + axis) + 0.3 * random(),
          ),
        ),
        labels,
      },
      angles: { own: shares(180, 30 - 5 * index, 8), nearestOther: shares(180, 75 + 5 * index, 12) },
      logits: { first: -8, width: 0.5, shares: shares(32, 16, 8 - 2 * index), mean: 0, std: 2 },
      weightNorms: CLASSES.map((_, rank) => 3 - index - 0.2 * rank),
    },
  };
}

export const DRAWN: PageInput = {
  comparison: {
    ...{ recipe: 'comparison', data: 'drawn', seeds: 3, classNames: CLASSES },
    rows: HEADS.map(rowOf),
  },
  options: HEADS.map((head) => ({ head })),
};
