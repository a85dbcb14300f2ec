// The seed CNN with ArcFace in margincore, through its public interface only.
import { datasets, models, train } from '../../dist/lib/index.mjs';
import protocol from '../lib/protocol.cjs';

const { job: readJob, report, peakMemory } = protocol;

const job = readJob();

/** The same images as the other contenders have: the first ones of the sample, and no test images to score. */
async function trainingImages() {
  const { images, labels } = (await datasets.fashionMnistSample()).train;
  const [, ...size] = images.shape;
  const bytes = job.limit * size.reduce((product, n) => product * n);
  return {
    images: { data: images.data.subarray(0, bytes), shape: [job.limit, ...size] },
    labels: labels.subarray(0, job.limit),
  };
}

async function run(epochs, callbacks) {
  return train({
    data: await trainingImages(),
    model: models.seedCnn({ embeddingSize: 1024 }),
    head: 'arcface',
    s: 30,
    m: 0.5,
    epochs,
    batchSize: job.batch,
    optimizer: 'adam',
    learningRate: 1e-3,
    seed: 0,
    device: 'cpu',
    threads: job.threads,
    progress: false,
    ...callbacks,
  });
}

/** Wall time between the ends of two epochs, so that whatever happens between steps and epochs counts too. */
async function throughput() {
  const ends = [];
  const onEpoch = ({ epoch }) => {
    if (epoch === job.warmupEpochs) report('begin');
    ends.push(performance.now());
  };
  const result = await run(job.warmupEpochs + job.epochs, { onEpoch });
  const seconds = (ends.at(-1) - ends[job.warmupEpochs - 1]) / 1000;
  report('result', { images: job.epochs * job.limit, seconds, loss: result.history.at(-1).loss });
  return result;
}

async function startup() {
  const onStep = ({ step }) => {
    if (step === 1) report('first-step');
  };
  const result = await run(job.epochs, { onStep });
  report('result', { loss: result.history.at(-1).loss, peakBytes: peakMemory() });
  return result;
}

const { model, environment } = await { throughput, startup }[job.measure]();
report('version', { name: 'margincore', environment });
model.dispose();
