/** What only a simulated device can show where there is no GPU: CUDA chosen by name, end to end. */
import { backends, models, train } from '../../lib/index.js';
import { sample } from '../support/sample.js';

const cuda = backends().find(({ name }) => name === 'cuda');
const onSimulation = cuda?.simulated ? test : test.skip;

onSimulation('train() on the simulated CUDA device follows the CPU, and says what it ran on', async () => {
  const data = await sample(40, 16);
  const run = (device: 'cpu' | 'cuda') =>
    train({
      ...{ data, device, model: models.seedCnn({ embeddingSize: 8 }), batchSize: 8, epochs: 2 },
      ...{ head: 'arcface', s: 16, auxiliary: 'center', logitNormalizer: 'scaled-bn', progress: false },
    });
  const [simulated, cpu] = [await run('cuda'), await run('cpu')];
  for (const { model } of [simulated, cpu]) model.dispose();
  expect(simulated.environment).toMatchObject({ backend: 'cuda', device: 'cuda:0', simulated: true });
  for (const [epoch, record] of simulated.history.entries()) {
    expect(record.loss / cpu.history[epoch]!.loss).toBeCloseTo(1, 5);
    expect(record.gradientNorm / cpu.history[epoch]!.gradientNorm).toBeCloseTo(1, 4);
  }
  expect(simulated.test).toEqual({
    accuracy: cpu.test!.accuracy,
    loss: expect.closeTo(cpu.test!.loss, 4),
  });
});
