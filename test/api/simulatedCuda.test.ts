/** What only a simulated device can show where there is no GPU: CUDA chosen by name, end to end. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { backends, models, train } from '../../lib/index.js';
import { packageRoot } from '../../lib/packageRoot.js';
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

onSimulation('a cuDNN that was built for another CUDA is refused by name', () => {
  const program = `
    const { backends } = require(${JSON.stringify(join(packageRoot(), 'dist/lib/index.js'))});
    console.log(backends().find(({ name }) => name === 'cuda').reason);`;
  const env = { ...process.env, MARGINCORE_SIM_CUDNN_CUDA: '12080' };
  expect(execFileSync(process.execPath, ['-e', program], { env, encoding: 'utf8' })).toMatch(
    /^cuda: cuDNN 9\.\d+ was found, built for CUDA 12: one for CUDA \d+ is needed$/m,
  );
});
