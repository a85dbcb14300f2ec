import { datasets, models, train } from '../../../dist/lib/index.mjs';
import { enlarge } from '../../shared/enlarge.mjs';
import protocol from '../../shared/protocol.cjs';

const { report, peakMemory } = protocol;

/** The same images as the other contenders have: the first ones of the sample, and no test images to score. */
export async function trainingImages({ limit, side, channels }) {
  const { train, classNames } = await datasets.fashionMnistSample();
  const { images, labels } = train;
  const [, height, width] = images.shape;
  const grey = { data: images.data.subarray(0, limit * height * width), shape: [limit, height, width] };
  return { images: enlarge(grey, side, channels), labels: labels.subarray(0, limit), classNames };
}

/** Training as the job describes it; `options` go before. */
export async function run(job, options) {
  const { network, head, precision, batch, threads, freeze = [] } = job;
  return train({
    data: await trainingImages(job),
    model: models[network.name](network.options),
    freeze,
    ...head,
    precision,
    batchSize: batch,
    optimizer: 'adam',
    learningRate: 1e-3,
    seed: 0,
    device: 'cpu',
    threads,
    progress: false,
    ...options,
  });
}

/** Wall time from one epoch's end on, so that whatever happens between steps, and between epochs, counts too. */
export async function throughput(job) {
  let [begin, end] = [0, 0];
  const onEpoch = ({ epoch }) => {
    if (!job.untilLastStep) end = performance.now();
    if (epoch !== job.warmupEpochs) return;
    report('begin');
    begin = performance.now();
  };
  const onStep = () => {
    end = performance.now();
  };
  const { model, history, environment } = await run(job, {
    epochs: job.warmupEpochs + job.epochs,
    onEpoch,
    ...(job.untilLastStep && { onStep }),
  });
  const timed = history.slice(job.warmupEpochs);
  report('result', {
    images: timed.length * job.limit,
    steps: timed.reduce((sum, { steps }) => sum + steps, 0),
    seconds: (end - begin) / 1000,
    loss: history.at(-1).loss,
    parameters: model.summary().parameters,
  });
  model.dispose();
  return environment;
}

export async function startup(job) {
  const onStep = ({ step }) => {
    if (step === 1) report('first-step');
  };
  const { model, history, environment } = await run(job, { epochs: job.epochs, onStep });
  report('result', {
    loss: history.at(-1).loss,
    peakBytes: peakMemory(),
    parameters: model.summary().parameters,
  });
  model.dispose();
  return environment;
}
