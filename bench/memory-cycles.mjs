// Whether a process that creates, trains and disposes of models again and again stays as large as it was:
//   node --expose-gc --max-semi-space-size=1 bench/memory-cycles.mjs [--cycles 400] [--models seed,resnet] [--threads 1,2,4]
// Prints resident memory after every 50th cycle, and how far it rises above that of the first of these. Thread counts
// take turns, a cycle each.
import { createRequire } from 'node:module';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { models, train } = createRequire(import.meta.url)('../dist/lib/index.js');
const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '400' },
    models: { type: 'string', default: 'seed,resnet' },
    threads: { type: 'string', default: '1,2,4' },
  },
});

const NETWORKS = {
  seed: { model: models.seedCnn({ embeddingSize: 128 }), shape: [16, 28, 28, 1] },
  resnet: { model: models.resnet18({ imageSize: 32, embeddingSize: 64 }), shape: [4, 32, 32, 3] },
};

/** MiB, once what was disposed of is released: that happens on another thread. */
async function residentMemory() {
  await setTimeout(150);
  globalThis.gc?.();
  return process.memoryUsage.rss() / 2 ** 20;
}

async function cycle({ model, shape }, threads) {
  const images = { data: new Uint8Array(shape.reduce((product, size) => product * size)), shape };
  const labels = Int32Array.from({ length: shape[0] }, (_, i) => i % 4);
  const options = {
    batchSize: shape[0],
    epochs: 2,
    threads,
    device: 'cpu',
    progress: false,
    head: 'arcface',
    s: 16,
  };
  const result = await train({ data: { images, labels }, model, ...options });
  result.model.dispose();
}

const threads = values.threads.split(',').map(Number);
for (const name of values.models.split(',')) {
  const seen = [];
  for (let number = 1; number <= Number(values.cycles); number++) {
    await cycle(NETWORKS[name], threads[number % threads.length]);
    if (number % 50 !== 0) continue;
    seen.push(await residentMemory());
    // V8 makes its heap larger and smaller by itself, by up to some 30 MiB.
    const heap = process.memoryUsage().heapTotal / 2 ** 20;
    console.log(
      `${name}, cycle ${number}: ${seen.at(-1).toFixed(1)} MiB, ${heap.toFixed(1)} of them V8's heap`,
    );
  }
  const most = Math.max(...seen.map((mebibytes) => mebibytes / seen[0] - 1));
  console.log(`${name}: at most ${(100 * most).toFixed(1)} % above the 50th cycle`);
}
