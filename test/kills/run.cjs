// One run of `main.mjs`: trains in a folder, saying each step as it is told of it, and its outcome at the end.
const { createHash } = require('node:crypto');
const { writeSync } = require('node:fs');
const { datasets, models, train } = require('../../dist/lib/index.js');

const [folder, every] = process.argv.slice(2);
// At once: what a process that is killed had still to write nobody reads.
const say = (message) => writeSync(1, `${JSON.stringify(message)}\n`);

async function main() {
  const sample = await datasets.fashionMnistSample();
  const result = await train({
    data: sample,
    model: models.lenetPlusPlus({ embeddingSize: 32 }),
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
