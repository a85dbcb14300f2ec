/**
 * Whole training against numbers that PyTorch computed in fp64 (test/pytorch/): the seed CNN with a small embedding, on
 * each backend, with softmax and arcface, SGD and Adam. Stage by stage, so that the first stage that disagrees names
 * what is wrong: weights, forward pass, gradients, updates.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { native } from '../../lib/addon.js';
import { conv2d, linear, maxPool2d, relu } from '../../lib/models/layers.js';
import type { NativeHead, NativeOptimizer, NativeSession } from '../../lib/native.js';
import {
  type Digest,
  distance,
  type HeadName,
  loadReference,
  type Noise,
  norm,
  type OptimizerName,
  relativeError,
  SAMPLE,
  spread,
} from '../pytorch/reference.js';

const reference = loadReference();

/**
 * Relative limits. Every one but the first is about ten times the distance of PyTorch's own fp32 from its fp64 (the
 * worst of eight ways to compute, stored as fp32Noise): room for other orders of summation, and for what a change in
 * the last place does to later steps, yet below what mistakes do (test/pytorch/README.md lists them). A test below
 * keeps limits and noise together.
 */
const TOLERANCES = {
  /** Not trained: the same float32 values, but for the last place of a libm's log or cos. */
  initial: 1e-6,
  /** Noise 8e-7: sums over 288 and 1600 products. */
  embeddings: 1e-5,
  /** Noise 1.1e-6. */
  scores: 1e-5,
  /** Noise 3e-7: a mean over the batch. */
  firstLoss: 5e-6,
  /** Noise 9e-7, largest for conv1.weight: sums over 16 × 24 × 24 places that cancel. */
  gradients: 1e-5,
  /** Noise 1.4e-6. */
  lossesSgd: 2e-5,
  /** Noise 1e-5: Adam divides by the size of the gradient, so small gradients, and their noise, count in full. */
  lossesAdam: 1e-4,
  /** Noise 4.7e-6 of the way from the initial to the final weights. */
  movedSgdWeights: 5e-5,
  /** Noise 2.1e-6, and weight decay, which biases must not have, would move them by 5e-5. */
  movedSgdBiases: 2e-5,
  /** Noise 2.1e-5, for Adam's reason above. */
  movedAdam: 2e-4,
};

const limitOfLosses = (optimizer: OptimizerName) =>
  optimizer === 'sgd' ? TOLERANCES.lossesSgd : TOLERANCES.lossesAdam;

const limitOfMoved = (optimizer: OptimizerName, tensor: string) => {
  if (optimizer === 'adam') return TOLERANCES.movedAdam;
  return tensor.endsWith('.bias') ? TOLERANCES.movedSgdBiases : TOLERANCES.movedSgdWeights;
};

const CASES: [HeadName, OptimizerName][] = [
  ['softmax', 'sgd'],
  ['softmax', 'adam'],
  ['arcface', 'sgd'],
  ['arcface', 'adam'],
];

const network = {
  input: [28, 28, 1] as [number, number, number],
  layers: [
    conv2d({ outChannels: 32, kernelSize: 5 }),
    relu(),
    maxPool2d({ kernelSize: 2 }),
    conv2d({ outChannels: 64, kernelSize: 3 }),
    relu(),
    maxPool2d({ kernelSize: 2 }),
    linear({ outFeatures: reference.embeddingSize }),
  ],
};

const softmax: NativeHead = {
  numClasses: 10,
  normalizeFeatures: false,
  scale: 1,
  learnScale: false,
  l2Scope: 'sample',
  normalizeWeights: false,
  bias: true,
  m1: 1,
  m2: 0,
  m3: 0,
  wrap: 'continue',
  easyMargin: false,
  exactGradient: true,
  featureDropout: 0,
  labelSmoothing: 0,
};

const HEADS: Record<HeadName, NativeHead> = {
  softmax,
  arcface: {
    ...softmax,
    normalizeFeatures: true,
    scale: reference.arcface.s,
    normalizeWeights: true,
    bias: false,
    m2: reference.arcface.m,
  },
};

const { sgd, adam } = reference.optimizers;
const OPTIMIZERS: Record<OptimizerName, NativeOptimizer> = {
  sgd: {
    type: 'sgd',
    momentum: sgd.momentum,
    nesterov: false,
    beta1: 0,
    beta2: 0,
    epsilon: 0,
    weightDecay: sgd.weightDecay,
    headLr: 1,
  },
  adam: {
    type: 'adam',
    momentum: 0,
    nesterov: false,
    beta1: adam.beta1,
    beta2: adam.beta2,
    epsilon: adam.epsilon,
    weightDecay: 0,
    headLr: 1,
  },
};

/** The bundled sample's training set; IDX headers are 16 and 8 bytes. */
function readSample() {
  const read = (name: string) => gunzipSync(readFileSync(join(SAMPLE, name)));
  const images = new Uint8Array(read('train-images-idx3-ubyte.gz').subarray(16));
  const labels = Int32Array.from(read('train-labels-idx1-ubyte.gz').subarray(8));
  return { images, labels };
}

type Tensors = Record<string, Float32Array>;

async function readAll(session: NativeSession, read: (name: string) => Promise<Float32Array>) {
  const tensors: Tensors = {};
  for (const { name } of session.parameters()) tensors[name] = await read(name);
  return tensors;
}

/** One case on one backend: everything that the reference has, as the session gives it. */
async function run(backend: string, head: HeadName, optimizer: OptimizerName) {
  const { images, labels } = readSample();
  const { batchSize } = reference;
  const steps = reference.heads[head].training[optimizer].losses.length;
  const session = new (native().Session)({
    backend,
    deviceIndex: 0,
    threads: 2,
    deterministic: true,
    seed: reference.seed,
    network,
    head: HEADS[head],
    mean: Float32Array.of(reference.data.mean),
    std: Float32Array.of(reference.data.std),
    batchSize,
    optimizer: OPTIMIZERS[optimizer],
  });
  try {
    await session.open();
    await session.setTrainingData(images, labels);
    const parameters = session.parameters();
    const initial = await readAll(session, (name) => session.readParameter(name));
    const inferred = await session.infer({
      images: images.slice(0, batchSize * 28 * 28),
      count: batchSize,
      probabilities: false,
      scores: true,
      embeddings: true,
      normalizeEmbeddings: false,
    });
    const losses: number[] = [];
    let gradients: Tensors = {};
    for (let step = 0; step < steps; step++) {
      const result = await session.runSteps({
        epoch: 0,
        order: Int32Array.from({ length: batchSize }, (_, i) => step * batchSize + i),
        batchSize,
        values: Float32Array.of(reference.optimizers[optimizer].learningRate, 0, 1),
      });
      if (result.nonFinite !== undefined) throw new Error(`step ${step}: not finite: ${result.nonFinite}`);
      losses.push(result.loss[0]!);
      if (step === 0) gradients = await readAll(session, (name) => session.readGradient(name));
    }
    const final = await readAll(session, (name) => session.readParameter(name));
    return { parameters, initial, inferred, losses, gradients, final };
  } finally {
    session.dispose();
  }
}

/** Distances per tensor, in the reference's order; a tensor that was not received is infinitely far. */
function distances(received: Tensors, expected: Record<string, Digest>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(expected).map(([name, digest]) => [
      name,
      distance(received[name] ?? [], reference.tensors[name]!.indices, digest),
    ]),
  );
}

/** What ten steps changed, on both sides: weights barely move, so the weights themselves would agree too easily. */
function moved(received: { initial: Tensors; final: Tensors }, head: HeadName, optimizer: OptimizerName) {
  const { final, movedNorm } = reference.heads[head].training[optimizer];
  const differences: Tensors = {};
  for (const [name, values] of Object.entries(received.final)) {
    differences[name] = values.map((value, i) => value - received.initial[name]![i]!);
  }
  const expected: Record<string, Digest> = {};
  for (const [name, digest] of Object.entries(final)) {
    const start = reference.initial[name]!.entries;
    expected[name] = { norm: movedNorm[name]!, entries: digest.entries.map((value, i) => value - start[i]!) };
  }
  return distances(differences, expected);
}

/** Those over their limit, in words. Written so that NaN is over every limit. */
function exceeding(values: Record<string, number>, limit: number | ((name: string) => number)): string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    const most = typeof limit === 'number' ? limit : limit(name);
    return value <= most ? [] : [`${name}: ${value.toExponential(1)} > ${most}`];
  });
}

/** Initial biases are exactly 0 on both sides and have no relative error. */
function initialDistances(initial: Tensors) {
  const ofWeights = Object.entries(reference.initial).filter(([name]) => name.endsWith('.weight'));
  return distances(initial, Object.fromEntries(ofWeights));
}

function lossDistances(losses: number[], expected: number[]) {
  return Object.fromEntries(
    expected.map((loss, step) => [`step ${step}`, Math.abs((losses[step] ?? Number.NaN) - loss) / loss]),
  );
}

describe('the data of the reference', () => {
  it('is the bundled sample', () => {
    const { images, labels } = readSample();
    const { count, firstLabels, firstImagesSha256 } = reference.data;
    const first = images.subarray(0, firstLabels.length * 28 * 28);
    expect(labels.length).toBe(count);
    expect(images.length).toBe(count * 28 * 28);
    expect(Array.from(labels.subarray(0, firstLabels.length))).toEqual(firstLabels);
    expect(createHash('sha256').update(first).digest('hex')).toBe(firstImagesSha256);
  });
});

describe('permutation', () => {
  it.each(reference.permutations)('of $count with seed $seed, epoch $epoch, is the reference', (expected) => {
    const received = native().permutation(expected.seed, expected.epoch, expected.count);
    expect(received.length).toBe(expected.count);
    expect(Array.from(received.subarray(0, expected.first.length))).toEqual(expected.first);
  });
});

const present = native().backends();

describe.each(['cpu', 'cuda'])('whole training on %s', (name) => {
  const backend = present.find((candidate) => candidate.name === name);
  const missing = !backend?.available
    ? (backend?.reason ?? 'not built')
    : backend.simulated
      ? 'simulated'
      : '';
  if (missing !== '') {
    const required = name === 'cpu' || process.env.REQUIRE_CUDA === '1';
    const report = required ? it : it.skip;
    report(`runs (this machine: ${missing})`, () => {
      throw new Error(`backend ${name}: ${missing}`);
    });
    return;
  }

  describe.each(CASES)('%s, %s', (head, optimizer) => {
    const expected = reference.heads[head];
    const training = expected.training[optimizer];
    const margins: string[] = [];
    let received: Awaited<ReturnType<typeof run>>;

    /** Keeps the worst, for the line that tells how much of each limit was used. */
    const note = (what: string, values: Record<string, number>) =>
      margins.push(`${what} ${Math.max(...Object.values(values)).toExponential(1)}`);

    beforeAll(async () => {
      received = await run(name, head, optimizer);
    }, 60_000);

    afterAll(() => {
      process.stdout.write(`${name}, ${head}, ${optimizer}: relative errors: ${margins.join(', ')}\n`);
    });

    it('has the tensors of the reference, in arena order', () => {
      const shapes = Object.keys(expected.gradients).map((tensor) => {
        return { name: tensor, shape: reference.tensors[tensor]!.shape };
      });
      expect(received.parameters).toEqual(shapes);
    });

    it('starts from the initial weights of the shared generator', () => {
      const weights = initialDistances(received.initial);
      note('initial', weights);
      expect(exceeding(weights, TOLERANCES.initial)).toEqual([]);
      const biases = Object.entries(received.initial).filter(([tensor]) => tensor.endsWith('.bias'));
      for (const [tensor, values] of biases) expect([tensor, norm(values)]).toEqual([tensor, 0]);
    });

    it('computes the embeddings of the first batch', () => {
      const values = received.inferred.embeddings ?? [];
      const embeddings = distance(values, spread(values.length), expected.embeddings);
      note('embeddings', { embeddings });
      expect(exceeding({ embeddings }, TOLERANCES.embeddings)).toEqual([]);
    });

    it('computes the margin-free scores of the first batch', () => {
      const scores = relativeError(received.inferred.scores ?? [], expected.scores);
      note('scores', { scores });
      expect(exceeding({ scores }, TOLERANCES.scores)).toEqual([]);
    });

    it('computes the loss of the first batch', () => {
      const first = lossDistances(received.losses, [expected.firstLoss]);
      note('first loss', first);
      expect(exceeding(first, TOLERANCES.firstLoss)).toEqual([]);
    });

    it('computes the gradients of the first step', () => {
      const gradients = distances(received.gradients, expected.gradients);
      note('gradients', gradients);
      expect(exceeding(gradients, TOLERANCES.gradients)).toEqual([]);
    });

    it('follows the losses of ten steps', () => {
      const losses = lossDistances(received.losses, training.losses);
      note('losses', losses);
      expect(exceeding(losses, limitOfLosses(optimizer))).toEqual([]);
    });

    it('moves the weights as the reference does', () => {
      const way = moved(received, head, optimizer);
      note('way moved', way);
      expect(exceeding(way, (tensor) => limitOfMoved(optimizer, tensor))).toEqual([]);
    });

    it('disagrees with a reference that is a little off, in every tensor', () => {
      const scaled = Object.entries(expected.gradients).map(([tensor, digest]) => {
        const factor = 1 + 3 * TOLERANCES.gradients;
        return [
          tensor,
          { norm: digest.norm * factor, entries: digest.entries.map((value) => value * factor) },
        ];
      });
      const off = exceeding(distances(received.gradients, Object.fromEntries(scaled)), TOLERANCES.gradients);
      expect(off.map((line) => line.split(':')[0])).toEqual(Object.keys(expected.gradients));
    });
  });
});

describe('the comparison', () => {
  const count = 18_432;
  const indices = spread(count);
  const values = Float32Array.from({ length: count }, (_, i) => Math.sin(i) / 7);
  const digest = { norm: norm(values), entries: indices.map((index) => values[index]!) };
  const limit = TOLERANCES.gradients;
  const judge = (received: Float32Array) => exceeding({ tensor: distance(received, indices, digest) }, limit);
  const stored = indices[40]!;
  const between = stored + 1;

  it('accepts what it was made from', () => {
    expect(judge(values.slice())).toEqual([]);
  });

  it.each<[string, Float32Array]>([
    ['one stored entry off', values.with(stored, values[stored]! + 1e-3)],
    ['one entry that is not stored off by much', values.with(between, 1)],
    ['NaN in a stored entry', values.with(stored, Number.NaN)],
    ['NaN elsewhere', values.with(between, Number.NaN)],
    ['all zeros', new Float32Array(count)],
    ['everything scaled', values.map((value) => value * (1 + 2e-5))],
    ['the opposite sign', values.map((value) => -value)],
    ['OIHW instead of OHWI', ohwiToOihw(values)],
    ['another size', values.subarray(1)],
    ['nothing', new Float32Array(0)],
  ])('refuses %s', (_, received) => {
    expect(judge(received)).toHaveLength(1);
  });

  it('refuses scores of another number', () => {
    expect(exceeding({ scores: relativeError(values.subarray(1), values) }, limit)).toHaveLength(1);
  });

  it('refuses a run that stopped early, and a loss that is NaN', () => {
    const { losses } = reference.heads.softmax.training.sgd;
    expect(exceeding(lossDistances(losses, losses), TOLERANCES.lossesAdam)).toEqual([]);
    expect(exceeding(lossDistances(losses.slice(0, -1), losses), TOLERANCES.lossesAdam)).toHaveLength(1);
    expect(exceeding(lossDistances(losses.with(3, Number.NaN), losses), TOLERANCES.lossesAdam)).toHaveLength(
      1,
    );
  });

  it('reads the entries that the reference stored', () => {
    for (const [name, { shape, indices: places }] of Object.entries(reference.tensors)) {
      expect([name, spread(shape.reduce((a, b) => a * b))]).toEqual([name, places]);
    }
  });

  it('has limits between 3 and 30 times the noise of fp32', () => {
    const noise = (measure: (one: Noise) => number, optimizer = '') =>
      Math.max(
        ...Object.entries(reference.fp32Noise)
          .filter(([name]) => name.endsWith(optimizer))
          .map(([, one]) => measure(one)),
      );
    const largest = (tensors: Record<string, number>, ending = '') =>
      Math.max(
        ...Object.entries(tensors)
          .filter(([name]) => name.endsWith(ending))
          .map(([, value]) => value),
      );
    const ratios = {
      embeddings: TOLERANCES.embeddings / noise((one) => one.embeddings),
      scores: TOLERANCES.scores / noise((one) => one.scores),
      firstLoss: TOLERANCES.firstLoss / noise((one) => one.firstLoss),
      gradients: TOLERANCES.gradients / noise((one) => largest(one.gradients)),
      lossesSgd: TOLERANCES.lossesSgd / noise((one) => one.losses, 'sgd'),
      lossesAdam: TOLERANCES.lossesAdam / noise((one) => one.losses, 'adam'),
      movedSgdWeights: TOLERANCES.movedSgdWeights / noise((one) => largest(one.moved, '.weight'), 'sgd'),
      movedSgdBiases: TOLERANCES.movedSgdBiases / noise((one) => largest(one.moved, '.bias'), 'sgd'),
      movedAdam: TOLERANCES.movedAdam / noise((one) => largest(one.moved), 'adam'),
    };
    const outside = Object.entries(ratios).filter(([, ratio]) => !(ratio >= 3 && ratio <= 30));
    expect(outside).toEqual([]);
  });
});

/** conv2.weight with its axes taken in the wrong order. */
function ohwiToOihw(values: Float32Array): Float32Array {
  const [outChannels, size, inChannels] = [64, 9, 32];
  const copy = new Float32Array(values.length);
  for (let o = 0; o < outChannels; o++) {
    for (let place = 0; place < size; place++) {
      for (let i = 0; i < inChannels; i++) {
        copy[(o * inChannels + i) * size + place] = values[(o * size + place) * inChannels + i]!;
      }
    }
  }
  return copy;
}
