// The seed CNN with ArcFace in tfjs on its pure JavaScript backend: the only one of its backends for Node that
// needs no native library and has the gradient of a convolution.
const tf = require('@tensorflow/tfjs');
const { load, normalization, randomRows } = require('../shared/data.cjs');
const { job: readJob, report } = require('../shared/protocol.cjs');

const SCALE = 30;
const MARGIN = 0.5;
const CLASSES = 10;
const EMBEDDING = 1024;

const glorot = tf.initializers.glorotUniform({});
const variable = (...shape) => tf.variable(glorot.apply(shape));
const zeros = (...shape) => tf.variable(tf.zeros(shape));

function seedCnn() {
  const [filter1, bias1, filter2, bias2] = [
    variable(5, 5, 1, 32),
    zeros(32),
    variable(3, 3, 32, 64),
    zeros(64),
  ];
  const [dense, bias3] = [variable(5 * 5 * 64, EMBEDDING), zeros(EMBEDDING)];
  const block = (x, filter, bias) =>
    tf.maxPool(tf.relu(tf.add(tf.conv2d(x, filter, 1, 'valid'), bias)), 2, 2, 'valid');
  return (x) => {
    const features = block(block(x, filter1, bias1), filter2, bias2);
    return tf.add(tf.matMul(features.reshape([x.shape[0], -1]), dense), bias3);
  };
}

const unit = (x) => tf.div(x, tf.sqrt(tf.sum(tf.square(x), 1, true)));

/** tf.greater has no gradient and tfjs nothing like stop_gradient, so the mask is made outside of its tape. */
const above = (x, limit) =>
  tf.tensor2d(
    Array.from(x.dataSync(), (value) => value > limit),
    x.shape,
    'bool',
  );

function arcFace() {
  const weights = variable(CLASSES, EMBEDDING);
  return (embedding, labels) => {
    const cosine = tf.matMul(unit(embedding), unit(weights), false, true);
    const target = tf.oneHot(labels, CLASSES).toFloat();
    const sine = tf.sqrt(tf.maximum(tf.sub(1, tf.square(cosine)), 1e-7));
    const withMargin = tf.sub(tf.mul(cosine, Math.cos(MARGIN)), tf.mul(sine, Math.sin(MARGIN)));
    const linear = tf.sub(cosine, Math.sin(Math.PI - MARGIN) * MARGIN);
    const phi = tf.where(above(cosine, Math.cos(Math.PI - MARGIN)), withMargin, linear);
    const logits = tf.mul(SCALE, tf.add(cosine, tf.mul(target, tf.sub(phi, cosine))));
    return tf.losses.softmaxCrossEntropy(target, logits);
  };
}

async function main() {
  const job = readJob();
  await tf.setBackend('cpu');
  const data = load(job);
  const { mean, std } = normalization(data.images);
  const network = seedCnn();
  const head = arcFace();
  const adam = tf.train.adam(1e-3);

  function step(rows) {
    const pixels = new Float32Array(rows.length * data.pixels);
    rows.forEach((row, n) => {
      for (let i = 0; i < data.pixels; i++) {
        pixels[n * data.pixels + i] = (data.images[row * data.pixels + i] / 255 - mean) / std;
      }
    });
    return tf.tidy(() => {
      const x = tf.tensor4d(pixels, [rows.length, data.height, data.width, 1]);
      const labels = tf.tensor1d(
        rows.map((row) => data.labels[row]),
        'int32',
      );
      return adam.minimize(() => head(network(x), labels), true).dataSync()[0];
    });
  }

  step(randomRows(job.limit, job.warmupBatch).next().value);
  const batches = randomRows(job.limit, job.batch);
  report('begin');
  const start = performance.now();
  let loss;
  for (let i = 0; i < job.steps; i++) loss = step(batches.next().value);
  report('result', { images: job.steps * job.batch, seconds: (performance.now() - start) / 1000, loss });
  report('version', { name: 'tfjs', version: tf.version.tfjs });
}

main();
