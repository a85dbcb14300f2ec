/** train_reference.json as TypeScript sees it, and `train()` run with its options: everything that is compared. */
import { models, type RunOptions, type StepEvent, type TrainOptions, train } from '../../lib/index.js';
import type { NativeSession, NativeSessionConfig } from '../../lib/native/contract.js';
import { native } from '../../lib/native/load.js';
import { type Digest, distance, exceeding, readJson, spread } from './reference.js';
import { readSample } from './referenceRun.js';

interface Scores {
  accuracy: number;
  loss: number;
}

interface Epoch extends Scores {
  /** In degrees, and norms; 5 %, 50 % and 95 % of the images that are trained on. */
  head: Record<'targetAngle' | 'nearestOtherAngle' | 'featureNorm' | 'weightNorm', number[]>;
  validation?: Scores;
}

/** One column per value of a step. */
type Steps = Record<
  | 'learningRate'
  | 'lambda'
  | 'marginRamp'
  | 'loss'
  | 'gradientNorm'
  | 'logitGradientNorm'
  | 'correct'
  | 'samples'
  | 'pastPi',
  number[]
>;

export interface TrainCase {
  /** Consecutive stretches of the data, in this order */
  images: { train: number; test?: number; validation?: number };
  /** Of `train()`; `learningRate: 'function'` stands for `rateOfFunction`. */
  options: Record<string, unknown>;
  /** Distance of PyTorch's fp32 from its fp64 by limit; the worst of several ways to compute. */
  noise: Partial<Record<TrainLimit, number>>;
  steps: Steps;
  epochs: Epoch[];
  normalization: { mean: number[]; std: number[] };
  /** Of the tensors that start at random */
  initial: Record<string, Digest>;
  /** What training added to each tensor */
  moved: Record<string, Digest>;
  /** Where there are test images */
  test?: Scores;
  angles?: { ownCentreMean: number; nearestOtherCentreMean: number };
  embeddings?: Digest;
  probabilities?: Digest;
}

export interface TrainReference {
  imagesSha256: string;
  imagesUsed: number;
  cases: Record<string, TrainCase>;
}

export type TrainLimit =
  | 'exact'
  | 'initial'
  | 'losses'
  | 'norms'
  | 'statistics'
  | 'scores'
  | 'movedWeights'
  | 'movedRest';
export type TrainLimits = Record<TrainLimit, number>;

export const trainReference: TrainReference = readJson('train_reference.json');

/** From tolerances.json. */
export function trainLimits(): TrainLimits {
  const limits = Object.entries<{ limit: number }>(readJson('tolerances.json').train);
  return Object.fromEntries(limits.map(([name, { limit }]) => [name, limit])) as TrainLimits;
}

const SIDE = 16;

/** Two parts of each image of the sample as channels, the second inverted: (N, 16, 16, 2). */
export const twoChannels = once(() => {
  const { images: whole, labels } = readSample();
  const images = new Uint8Array(labels.length * SIDE * SIDE * 2);
  for (let image = 0, at = 0; image < labels.length; image++) {
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        images[at++] = whole[image * 784 + (y + 6) * 28 + x + 6]!;
        images[at++] = 255 - whole[image * 784 + (y + 2) * 28 + x + 10]!;
      }
    }
  }
  return { images, labels };
});

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

type Part = { images: { data: Uint8Array; shape: [number, number, number, number] }; labels: Int32Array };

function dataOf({ images: counts }: TrainCase): Partial<Record<keyof TrainCase['images'], Part>> {
  const { images, labels } = twoChannels();
  const size = SIDE * SIDE * 2;
  let first = 0;
  const parts = Object.entries(counts).map(([name, count]): [string, Part] => {
    const [start, end] = [first, first + count];
    first = end;
    const data = images.slice(start * size, end * size);
    return [name, { images: { data, shape: [count, SIDE, SIDE, 2] }, labels: labels.slice(start, end) }];
  });
  return Object.fromEntries(parts);
}

const rateOfFunction: RunOptions['learningRate'] = ({ step, steps, epoch, epochs }) =>
  (0.01 * (epochs - epoch)) / epochs + (0.002 * step) / steps;

/** Keeps what `train()` makes its session of, and the session. */
function watchSessions() {
  const { Session } = native();
  const made: { session: NativeSession; config: NativeSessionConfig }[] = [];
  const spy = jest.spyOn(native(), 'Session').mockImplementation((config) => {
    const session = new Session(config);
    made.push({ session, config });
    return session;
  });
  return {
    made,
    create: (config: NativeSessionConfig) => new Session(config),
    end: () => spy.mockRestore(),
  };
}

async function parameters(session: NativeSession): Promise<Record<string, Float32Array>> {
  const values: Record<string, Float32Array> = {};
  for (const { name } of session.parameters()) values[name] = await session.readParameter(name);
  return values;
}

/** `train()` as a user calls it. */
export async function runTrain(backend: 'cpu' | 'cuda', given: TrainCase) {
  const { train: trained, test, validation } = dataOf(given);
  const { learningRate, ...options } = given.options;
  const steps: StepEvent[] = [];
  const watched = watchSessions();
  try {
    const result = await train({
      data: { ...trained!, classNames: Array.from('0123456789'), ...(test && { test }) },
      ...(validation && { validation }),
      ...options,
      learningRate: learningRate === 'function' ? rateOfFunction : learningRate,
      model: models.seedCnn({ embeddingSize: 16 }),
      device: backend,
      threads: 2,
      deterministic: true,
      precision: 'fp32',
      onStep: (event) => steps.push(event),
    } as TrainOptions);
    using model = result.model;
    const { session, config } = watched.made[0]!;
    const fresh = watched.create(config);
    try {
      await fresh.open();
      const [initial, final] = [await parameters(fresh), await parameters(session)];
      return {
        steps,
        ...result,
        initial,
        moved: Object.fromEntries(
          Object.entries(final).map(([name, values]) => {
            return [name, values.map((value, index) => value - initial[name]![index]!)];
          }),
        ),
        normalization: model.normalization,
        ofTest: test && {
          embeddings: (await model.embed(test.images, { normalize: false })).data,
          probabilities: (await model.predict(test.images)).probabilities,
        },
      };
    } finally {
      fresh.dispose();
    }
  } finally {
    watched.end();
  }
}

export type Received = Awaited<ReturnType<typeof runTrain>>;

const relative = (received: number | undefined, expected: number) =>
  received === expected ? 0 : Math.abs((received ?? Number.NaN) - expected) / Math.abs(expected);

/** What must be the same number, but for the digits that are stored: infinitely far where it is not. */
const same = (received: number | undefined, expected: number) =>
  relative(received, expected) <= 1e-8 ? 0 : Number.POSITIVE_INFINITY;

/** By name, how far each is off. */
type Errors = [name: string, error: number][];

const each = (
  name: string,
  received: ArrayLike<number>,
  expected: number[],
  error: (received: number | undefined, expected: number) => number,
): Errors => [
  [`${name}, how many`, same(received.length, expected.length)],
  ...expected.map((value, i): Errors[number] => [`${name} ${i}`, error(received[i], value)]),
];

const digests = (
  received: Record<string, ArrayLike<number>>,
  expected: Record<string, Digest | undefined>,
): Errors =>
  Object.entries(expected).flatMap(([name, digest]) => {
    const values = received[name] ?? [];
    return digest === undefined ? [] : [[name, distance(values, spread(values.length), digest)]];
  });

const steps = (
  { steps: events }: Received,
  { steps: expected }: TrainCase,
  name: keyof StepEvent & keyof TrainCase['steps'],
  error = relative,
): Errors =>
  each(
    name,
    events.map((event) => event[name]),
    expected[name],
    error,
  );

/** Of the samples of each step. */
const shares = (
  received: Received,
  { steps: { samples, ...counts } }: TrainCase,
  name: 'accuracy' | 'pastPi',
): Errors =>
  each(
    name,
    received.steps.map((event) => event[name]),
    counts[name === 'accuracy' ? 'correct' : name].map((count, step) => count / samples[step]!),
    same,
  );

/** Of the images that no step is taken on. */
const scores = (
  { history, test }: Received,
  expected: TrainCase,
  name: keyof Scores,
  error: typeof relative,
): Errors => [
  ...expected.epochs.flatMap(
    ({ validation }, i): Errors =>
      validation ? [[`validation ${i}`, error(history[i]?.validation?.[name], validation[name])]] : [],
  ),
  ...(expected.test ? ([['test', error(test?.[name], expected.test[name])]] as Errors) : []),
];

const statistics = ({ history, angles }: Received, expected: TrainCase): Errors => [
  ...expected.epochs.flatMap(({ head }, i) =>
    (Object.keys(head) as (keyof Epoch['head'])[]).flatMap((name) =>
      each(`${name} ${i}`, history[i]?.head[name] ?? [], head[name], relative),
    ),
  ),
  ...(['ownCentreMean', 'nearestOtherCentreMean'] as const).flatMap(
    (name): Errors => (expected.angles ? [[name, relative(angles?.[name], expected.angles[name])]] : []),
  ),
];

/** A part of what is compared. */
export interface Aspect {
  title: string;
  errors(received: Received, expected: TrainCase): Errors;
  limit: TrainLimit | ((name: string) => TrainLimit);
}

/** Everything that the reference says of a run. */
export const ASPECTS: readonly Aspect[] = [
  {
    title: 'normalises pixels by the images that are trained on',
    errors: ({ normalization, options }, expected) =>
      [normalization, options.normalize as typeof normalization].flatMap(({ mean, std }) => [
        ...each('mean', mean, expected.normalization.mean, relative),
        ...each('std', std, expected.normalization.std, relative),
      ]),
    limit: 'initial',
  },
  {
    title: 'starts from the weights of the seed',
    errors: ({ initial }, expected) => digests(initial, expected.initial),
    limit: 'initial',
  },
  {
    title: 'follows the rules of rate, λ and margin',
    errors: (received, expected) =>
      (['learningRate', 'lambda', 'marginRamp'] as const).flatMap((name) =>
        steps(received, expected, name, same),
      ),
    limit: 'exact',
  },
  {
    title: 'has the loss of each step and epoch',
    errors: (received, expected) => [
      ...steps(received, expected, 'loss'),
      ...each(
        'epoch',
        received.history.map(({ loss }) => loss),
        expected.epochs.map(({ loss }) => loss),
        relative,
      ),
    ],
    limit: 'losses',
  },
  {
    title: 'has the norms of the gradients of each step',
    errors: (received, expected) => [
      ...steps(received, expected, 'gradientNorm'),
      ...steps(received, expected, 'logitGradientNorm'),
    ],
    limit: 'norms',
  },
  {
    title: 'counts what is right, and what is past π',
    errors: (received, expected) => [
      ...shares(received, expected, 'accuracy'),
      ...shares(received, expected, 'pastPi'),
      ...each(
        'epoch',
        received.history.map(({ accuracy }) => accuracy),
        expected.epochs.map(({ accuracy }) => accuracy),
        same,
      ),
      ...scores(received, expected, 'accuracy', same),
    ],
    limit: 'exact',
  },
  {
    title: 'moves every tensor as far',
    errors: ({ moved }, expected) => digests(moved, expected.moved),
    limit: (tensor) => (tensor.endsWith('.weight') ? 'movedWeights' : 'movedRest'),
  },
  {
    title: 'scores the images that are held out, and those of the test',
    errors: (received, expected) => [
      ...scores(received, expected, 'loss', relative),
      ...digests(received.ofTest ?? {}, {
        embeddings: expected.embeddings,
        probabilities: expected.probabilities,
      }),
    ],
    limit: 'scores',
  },
  {
    title: 'measures angles and norms after each epoch',
    errors: statistics,
    limit: 'statistics',
  },
];

/** What is over its limit, in words. */
export function stray({ errors, limit }: Aspect, received: Received, expected: TrainCase): string[] {
  const limits = trainLimits();
  const most = (name: string) => limits[typeof limit === 'string' ? limit : limit(name)];
  return exceeding(Object.fromEntries(errors(received, expected)), most);
}
