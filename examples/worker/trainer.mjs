/** What main.mjs runs in a worker thread. */
import { parentPort } from 'node:worker_threads';
import { datasets, models, train } from 'margincore';

const controller = new AbortController();
parentPort.once('message', () => controller.abort());

try {
  const { model, test } = await train({
    data: await datasets.fashionMnistSample(),
    model: models.seedCnn({ embeddingSize: 64 }),
    head: 'arcface',
    s: 16,
    epochs: 4,
    signal: controller.signal,
    onEpoch: ({ epoch, epochs, loss }) =>
      parentPort.postMessage(`epoch ${epoch} of ${epochs}, loss ${loss.toFixed(2)}`),
  });
  model.dispose();
  parentPort.postMessage(`test accuracy ${(100 * test.accuracy).toFixed(1)} %`);
} catch (error) {
  if (!controller.signal.aborted) throw error;
  parentPort.postMessage('stopped');
}
parentPort.close(); // it would wait for messages
