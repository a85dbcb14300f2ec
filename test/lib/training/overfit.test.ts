import { models, train } from '../../../lib/index.js';
import { sample } from '../../support/sample.js';

/** On easy data θ_y reaches 0, where textbook formulas of the margin give NaN. */
test('arcface with s = 64 learns 500 images by heart without a non-finite value', async () => {
  const values: number[] = [];
  const { model, history } = await train({
    data: await sample(500),
    model: models.seedCnn({ embeddingSize: 256 }),
    head: 'arcface',
    s: 64,
    epochs: 30,
    batchSize: 50,
    onStep: ({ loss, gradientNorm }) => values.push(loss, gradientNorm),
  });
  model.dispose();
  expect(values.every(Number.isFinite)).toBe(true);
  expect(history.at(-1)!.accuracy).toBe(1);
}, 180_000);
