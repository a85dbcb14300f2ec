/** Clipping of gradients, as `train()` has it; what it computes is held to PyTorch in test/parity/. */
import { type Dataset, type TrainOptions, train } from '../../../lib/index.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;

beforeAll(async () => {
  data = await sample(100, 20);
});

async function outcome(options: TrainOptions) {
  const norms: number[] = [];
  const losses: number[] = [];
  const result = await train({
    data,
    model: tinyModel,
    steps: 6,
    batchSize: 32,
    device: 'cpu',
    deterministic: true,
    optimizer: { type: 'sgd', momentum: 0, weightDecay: 0 },
    learningRate: { type: 'constant', value: 0.02 },
    ...options,
    onStep: ({ loss, gradientNorm }) => {
      losses.push(loss);
      norms.push(gradientNorm);
    },
  });
  result.model.dispose();
  return { losses, norms, options: result.options };
}

test('what no gradient reaches gives the very bits of none', async () => {
  const { options, ...free } = await outcome({});
  const { options: clipped, ...loose } = await outcome({ clipGradients: 1e6 });
  expect(loose).toEqual(free);
  expect(options).not.toHaveProperty('clipGradients');
  expect(clipped).toEqual({ ...options, clipGradients: 1e6 });
});

test('the norms that are reported are those before', async () => {
  const free = await outcome({});
  const { losses, norms } = await outcome({ clipGradients: 1e-6 });
  expect(norms[0]).toBe(free.norms[0]);
  // So short a step leads nowhere.
  for (const norm of norms) expect(norm).toBeGreaterThan(0.1);
  expect(losses[1]).not.toBe(free.losses[1]);
});

test('a clip of half the norm is half the rate', async () => {
  const { norms, losses } = await outcome({ steps: 2 });
  const half = await outcome({
    steps: 2,
    learningRate: { type: 'constant', value: 0.01 },
  });
  const clipped = await outcome({ steps: 2, clipGradients: norms[0]! / 2 });
  expect(clipped.losses[1]).toBeCloseTo(half.losses[1]!, 5);
  expect(Math.abs(clipped.losses[1]! - losses[1]!)).toBeGreaterThan(1e-3);
});
