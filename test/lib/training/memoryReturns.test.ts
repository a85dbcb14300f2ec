/** A process that trains again and again does not grow. `bench/memory-cycles.mjs` measures it over 400 cycles. */
import { setTimeout } from 'node:timers/promises';
import { models, train } from '../../../lib/index.js';
import { sample } from '../../support/sample.js';

test('resident memory returns after dispose(), whatever the number of threads', async () => {
  const data = await sample(64);
  const cycle = async (threads: number) => {
    const options = { batchSize: 32, epochs: 1, device: 'cpu', progress: false, threads } as const;
    const { model } = await train({ data, model: models.seedCnn({ embeddingSize: 64 }), ...options });
    model.dispose();
  };
  const resident = async () => {
    await setTimeout(200); // released on another thread
    return process.memoryUsage.rss() / 2 ** 20;
  };
  for (let warm = 0; warm < 20; warm++) await cycle(1 + (warm % 3));
  const before = await resident();
  for (let more = 0; more < 40; more++) await cycle(1 + (more % 3));
  expect((await resident()) / before).toBeLessThan(1.05);
});
