/** Trains what the reference trained (test/parity/), through a native session, and reads everything that is compared. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { allOf } from '../../lib/data/samples.js';
import { checkHead, resolveHead } from '../../lib/heads/resolve.js';
import { type NativeOptimizer, type NativeSession, STEP_VALUES } from '../../lib/native/contract.js';
import { native } from '../../lib/native/load.js';
import type { LayerDescription } from '../../lib/networks/layers.js';
import { uploadSamples } from '../../lib/training/upload.js';
import {
  type Limits,
  type NetworkReference,
  type OptimizerName,
  type ReferenceHead,
  SAMPLE,
  type Setting,
} from './reference.js';

/** A network as the library describes it, and what it must give. */
export interface Suite {
  setting: Setting;
  reference: NetworkReference;
  layers: LayerDescription[];
  limits: Limits;
}

const STEPS = 10;
const CLASSES = 10;
const PIXELS = 28 * 28;

const unused = {
  momentum: 0,
  nesterov: false,
  beta1: 0,
  beta2: 0,
  epsilon: 0,
  weightDecay: 0,
  headLr: 1,
};

function optimizerOf({ sgd, adam }: Setting['optimizers'], name: OptimizerName): NativeOptimizer {
  return name === 'sgd'
    ? { ...unused, type: 'sgd', momentum: sgd.momentum, weightDecay: sgd.weightDecay }
    : { ...unused, type: 'adam', beta1: adam.beta1, beta2: adam.beta2, epsilon: adam.epsilon };
}

/** The bundled sample's training set; IDX headers are 16 and 8 bytes. */
export function readSample() {
  const read = (name: string) => gunzipSync(readFileSync(join(SAMPLE, name)));
  const images = new Uint8Array(read('train-images-idx3-ubyte.gz').subarray(16));
  const labels = Int32Array.from(read('train-labels-idx1-ubyte.gz').subarray(8));
  return { images, labels };
}

/** The centroids of the reference: a regular simplex, √(C/(C−1))·(e_i − 1/C) in the first C coordinates. */
export const centroids = (embeddingSize: number) =>
  Float32Array.from({ length: CLASSES * embeddingSize }, (_, index) => {
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

const infer = (session: NativeSession, images: Uint8Array, batchSize: number) =>
  session.infer({
    images: images.slice(0, batchSize * PIXELS),
    count: batchSize,
    probabilities: false,
    scores: true,
    cosines: false,
    embeddings: true,
    normalizeEmbeddings: false,
  });

/** One case on one backend: everything that the reference has, as the session gives it. */
export async function run(backend: string, suite: Suite, head: ReferenceHead, optimizer: OptimizerName) {
  const { setting, reference, layers } = suite;
  const { batchSize, data, optimizers } = setting;
  const { options } = head;
  const { images, labels } = readSample();
  const session = new (native().Session)({
    backend,
    deviceIndex: 0,
    threads: 2,
    deterministic: true,
    precision: 'fp32',
    seed: head.seed,
    network: { input: [28, 28, 1], layers },
    head: resolveHead(checkHead({ ...options }), CLASSES).native,
    mean: Float32Array.of(data.mean),
    std: Float32Array.of(data.std),
    batchSize,
    optimizer: optimizerOf(optimizers, optimizer),
  });
  const values = stepValues({
    learningRate: optimizers[optimizer].learningRate,
    lambda: 'lambda' in options ? Number(options.lambda) : 0,
    marginRamp: 1,
  });
  try {
    await session.open();
    await uploadSamples(
      session,
      allOf({ images: { data: images, shape: [labels.length, 28, 28, 1] }, labels }),
    );
    if (head.state.includes('head.weight'))
      await session.writeParameter('head.weight', centroids(reference.embeddingSize));
    const parameters = session.parameters().map(({ name, shape }) => ({ name, shape }));
    const names = parameters.map(({ name }) => name);
    const initial = await readAll(names, (name) => session.readParameter(name));
    const before = await infer(session, images, batchSize);
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
    const after = await infer(session, images, batchSize);
    return { parameters, initial, before, losses, gradients, final, after };
  } finally {
    session.dispose();
  }
}
