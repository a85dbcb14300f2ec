/** What is compared of a run of `train()`, part by part, and what is over its limit. */
import type { StepEvent } from '../../lib/index.js';
import { type Digest, distance, exceeding, spread } from './reference.js';
import { type Epoch, type Scores, type TrainCase, type TrainLimit, trainLimits } from './trainReference.js';
import type { Received } from './trainRun.js';

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
    events.flatMap((event) => event[name] ?? []),
    expected[name] ?? [],
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
    title: 'follows the rules of rate, momentum, λ and margin',
    errors: (received, expected) =>
      (['learningRate', 'momentum', 'lambda', 'marginRamp'] as const).flatMap((name) =>
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
