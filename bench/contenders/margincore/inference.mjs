import protocol from '../../shared/protocol.cjs';
import { run, trainingImages } from './training.mjs';

/** Calls of model.predict(), each with as many images as the job says, one call after the other. */
export async function inference(job) {
  const { images, labels } = await trainingImages(job);
  const { model, environment } = await run(job, { epochs: 1, batchSize: job.limit }); // one step makes a model
  const parts = split(images, job.batch);
  const predict = async (calls) => {
    for (let i = 0; i < calls; i++) await model.predict(parts[i % parts.length]);
  };
  await predict(job.warmupCalls);
  protocol.report('begin');
  const start = performance.now();
  await predict(job.calls);
  const seconds = (performance.now() - start) / 1000;
  protocol.report('result', {
    images: job.calls * job.batch,
    steps: job.calls,
    seconds,
    loss: crossEntropy(await model.predict(images), labels),
    parameters: model.summary().parameters,
  });
  model.dispose();
  return environment;
}

function split({ data, shape: [count, ...size] }, batch) {
  const bytes = data.length / count;
  return Array.from({ length: count / batch }, (_, i) => ({
    data: data.subarray(i * batch * bytes, (i + 1) * batch * bytes),
    shape: [batch, ...size],
  }));
}

function crossEntropy({ probabilities, numClasses }, labels) {
  const losses = Array.from(labels, (label, i) => -Math.log(probabilities[i * numClasses + label]));
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}
