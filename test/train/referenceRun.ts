/** Trains what the reference trained (test/pytorch/), through a native session, and reads everything that is compared. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { native } from '../../lib/addon.js';
import { conv2d, linear, maxPool2d, relu } from '../../lib/models/layers.js';
import { type NativeOptimizer, type NativeSession, STEP_VALUES } from '../../lib/native.js';
import { resolveHead } from '../../lib/resolveHead.js';
import {
  type OptimizerName,
  type Reference,
  type ReferenceHead,
  readJson,
  SAMPLE,
} from '../pytorch/reference.js';

export const reference: Reference = readJson('reference.json');
const { batchSize, embeddingSize, data } = reference;

const STEPS = 10;
const CLASSES = 10;
const PIXELS = 28 * 28;

const network = {
  input: [28, 28, 1] as [number, number, number],
  layers: [
    conv2d({ outChannels: 32, kernelSize: 5 }),
    relu(),
    maxPool2d({ kernelSize: 2 }),
    conv2d({ outChannels: 64, kernelSize: 3 }),
    relu(),
    maxPool2d({ kernelSize: 2 }),
    linear({ outFeatures: embeddingSize }),
  ],
};

const unused = {
  momentum: 0,
  nesterov: false,
  beta1: 0,
  beta2: 0,
  epsilon: 0,
  weightDecay: 0,
  headLr: 1,
};
const { sgd, adam } = reference.optimizers;
const OPTIMIZERS: Record<OptimizerName, NativeOptimizer> = {
  sgd: { ...unused, type: 'sgd', momentum: sgd.momentum, weightDecay: sgd.weightDecay },
  adam: { ...unused, type: 'adam', beta1: adam.beta1, beta2: adam.beta2, epsilon: adam.epsilon },
};

/** The bundled sample's training set; IDX headers are 16 and 8 bytes. */
export function readSample() {
  const read = (name: string) => gunzipSync(readFileSync(join(SAMPLE, name)));
  const images = new Uint8Array(read('train-images-idx3-ubyte.gz').subarray(16));
  const labels = Int32Array.from(read('train-labels-idx1-ubyte.gz').subarray(8));
  return { images, labels };
}

/** The centroids of the reference: a regular simplex, √(C/(C−1))·(e_i − 1/C) in the first C coordinates. */
export const centroids = Float32Array.from({ length: CLASSES * embeddingSize }, (_, index) => {
  const [label, column] = [Math.floor(index / embeddingSize), index % embeddingSize];
  if (column >= CLASSES) return 0;
  return Math.sqrt(CLASSES / (CLASSES - 1)) * ((column === label ? 1 : 0) - 1 / CLASSES);
});

export type Tensors = Record<string, Float32Array>;

async function readAll(names: string[], read: (name: string) => Promise<Float32Array>): Promise<Tensors> {
  const tensors: Tensors = {};
  for (const name of names) tensors[name] = await read(name);
  return tensors;
}

/** The values of one step by their names. */
function stepValues(values: Record<(typeof STEP_VALUES)[number], number>): Float32Array {
  return Float32Array.from(STEP_VALUES, (name) => values[name]);
}

const infer = (session: NativeSession, images: Uint8Array) =>
  session.infer({
    images: images.slice(0, batchSize * PIXELS),
    count: batchSize,
    probabilities: false,
    scores: true,
    embeddings: true,
    normalizeEmbeddings: false,
  });

/** One case on one backend: everything that the reference has, as the session gives it. */
export async function run(backend: string, head: ReferenceHead, optimizer: OptimizerName) {
  const { options } = head;
  const { images, labels } = readSample();
  const session = new (native().Session)({
    backend,
    deviceIndex: 0,
    threads: 2,
    deterministic: true,
    precision: 'fp32',
    seed: head.seed,
    network,
    head: resolveHead(options, CLASSES).native,
    mean: Float32Array.of(data.mean),
    std: Float32Array.of(data.std),
    batchSize,
    optimizer: OPTIMIZERS[optimizer],
  });
  const values = stepValues({
    learningRate: reference.optimizers[optimizer].learningRate,
    lambda: 'lambda' in options ? Number(options.lambda) : 0,
    marginRamp: 1,
  });
  try {
    await session.open();
    await session.setTrainingData(images, labels);
    if (head.state.includes('head.weight')) await session.writeParameter('head.weight', centroids);
    const parameters = session.parameters();
    const names = parameters.map(({ name }) => name);
    const initial = await readAll(names, (name) => session.readParameter(name));
    const before = await infer(session, images);
    const losses: number[] = [];
    let gradients: Tensors = {};
    for (let step = 0; step < STEPS; step++) {
      const order = Int32Array.from({ length: batchSize }, (_, i) => step * batchSize + i);
      const { loss, nonFinite } = await session.runSteps({ epoch: 0, order, batchSize, values });
      if (nonFinite !== undefined) throw new Error(`step ${step}: not finite: ${nonFinite}`);
      losses.push(loss[0]!);
      if (step > 0) continue;
      const trained = names.filter((name) => !head.state.includes(name));
      gradients = await readAll(trained, (name) => session.readGradient(name));
    }
    const final = await readAll(names, (name) => session.readParameter(name));
    const after = await infer(session, images);
    return { parameters, initial, before, losses, gradients, final, after };
  } finally {
    session.dispose();
  }
}
