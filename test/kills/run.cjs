// One run of `main.mjs`: trains in a folder, saying each step as it is told of it, and its outcome at the end.
const { createHash } = require('node:crypto');
const { writeSync } = require('node:fs');
const {
  batchNorm,
  conv2d,
  datasets,
  linear,
  maxPool2d,
  relu,
  sequential,
  train,
} = require('../../dist/lib/index.js');

/** Small, and with state that is not trained; a step takes some milliseconds. */
const model = sequential([
  conv2d({ outChannels: 8, kernelSize: 5, stride: 2 }),
  batchNorm(),
  relu(),
  maxPool2d({ kernelSize: 2 }),
  linear({ outFeatures: 32 }),
]);

const [folder, every] = process.argv.slice(2);
// At once: what a process that is killed had still to write nobody reads.
const say = (message) => writeSync(1, `${JSON.stringify(message)}\n`);

async function main() {
  const sample = await datasets.fashionMnistSample();
  const result = await train({
    data: sample,
    model,
    head: 'arcface',
    epochs: 3,
    batchSize: 100,
    featureDropout: 0.1,
    validation: 0.1,
    deterministic: true,
    device: 'cpu',
    threads: 1,
    ...(folder && { checkpoint: folder, resume: true, checkpointEvery: { steps: Number(every) } }),
    keepBest: true,
    progress: false,
    onStep: ({ step }) => say({ step }),
  });
  const { labels, probabilities } = await result.model.predict(sample.test.images);
  const history = result.history.map(({ seconds, imagesPerSecond, ...record }) => record);
  result.model.dispose();
  const hash = createHash('sha256').update(labels).update(probabilities);
  hash.update(
    JSON.stringify({ history, test: result.test, firstLoss: result.firstLoss, best: result.bestEpoch }),
  );
  say({ outcome: hash.digest('hex') });
}

main();
