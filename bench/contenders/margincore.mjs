// The seed CNN with ArcFace in margincore, through its public interface only; and the head alone, of which the public
// headLoss() gives no time, through the addon.
import addon from '../../dist/lib/addon.js';
import { datasets, models, train } from '../../dist/lib/index.mjs';
import { resolveHead } from '../../dist/lib/resolveHead.js';
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

/** The median time of forward and backward on given arrays, the first (which makes the plans) left out. */
async function head() {
  const { batch, embeddingSize, numClasses, repetitions } = job;
  const uniform = (count) => Float32Array.from({ length: count }, () => 2 * Math.random() - 1);
  const request = {
    backend: 'cpu',
    deviceIndex: 0,
    threads: job.threads,
    head: resolveHead({ head: 'arcface', s: 30, m: 0.5 }, numClasses).native,
    embeddingSize,
    features: uniform(batch * embeddingSize),
    weights: uniform(numClasses * embeddingSize),
    labels: Int32Array.from({ length: batch }, () => Math.floor(Math.random() * numClasses)),
    lambda: 0,
    repetitions: repetitions + 1,
  };
  report('begin');
  const { loss, seconds } = await addon.native().headLoss(request);
  const times = seconds.slice(1).sort();
  report('result', { loss, seconds: times[times.length >> 1] });
}

const result = await { throughput, startup, head }[job.measure]();
report('version', { name: 'margincore', version: addon.native().version, environment: result?.environment });
result?.model.dispose();
