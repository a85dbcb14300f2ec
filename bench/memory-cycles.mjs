// Whether a process that creates, trains and disposes of models again and again stays as large as it was:
//   node --expose-gc bench/memory-cycles.mjs [--cycles 400] [--models seed,resnet] [--threads 1,2,4]
// Prints resident memory along the way, and how far it is from that of the 50th cycle at most.
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
  seed: { model: models.seedCnn({ embeddingSize: 128 }), shape: [32, 28, 28, 1] },
  resnet: { model: models.resnet18({ imageSize: 32, embeddingSize: 64 }), shape: [8, 32, 32, 3] },
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

for (const name of values.models.split(',')) {
  for (const threads of values.threads.split(',').map(Number)) {
    const cycles = Number(values.cycles);
    const seen = [];
    for (let number = 1; number <= cycles; number++) {
      await cycle(NETWORKS[name], threads);
      if (number >= 50 && number % 50 === 0) seen.push(await residentMemory());
    }
    const spread = Math.max(...seen.map((mebibytes) => Math.abs(mebibytes / seen[0] - 1)));
    const list = seen.map((mebibytes) => mebibytes.toFixed(0)).join(' ');
    console.log(
      `${name}, ${threads} threads: MiB at every 50th cycle: ${list}; within ${(100 * spread).toFixed(1)} %`,
    );
  }
}
