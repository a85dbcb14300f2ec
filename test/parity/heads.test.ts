/**
 * Whole heads against numbers that PyTorch computed in fp64 (test/parity/): every head with its options, few and many
 * classes and dimensions, angles of 1° to 179° between a sample and its class; by formulas written as in papers, and by
 * pytorch-metric-learning where it has the head.
 */

import { HEAD_NAMES } from '../../lib/heads/resolve.js';
import { type HeadLossOptions, type HeadLossResult, headLoss } from '../../lib/index.js';
import { BACKENDS, reportMissing, whyMissing } from '../support/backends.js';
import { checksum, type HeadSize, makeHeadInputs } from './headInputs.js';
import { type Digest, distance, exceeding, headLimits, readJson, spread } from './reference.js';

interface HeadCase {
  /** As headLoss() takes them, with true for an array of the inputs. */
  options: Record<string, unknown> & { head: string };
  lambda: number;
  /** By size, then by the name of a result. */
  results: Record<string, Record<string, Digest>>;
}

interface HeadGradients {
  angles: Record<number, [number, number]>;
  lengths: number[];
  sizes: Record<string, HeadSize & { cosTheta: Digest }>;
  cases: Record<string, HeadCase>;
}

/** Relative errors, with their reasons in tolerances.json; LIMIT is of every result but dFeatures among many classes. */
const { every: LIMIT, dFeaturesOfMany: LIMIT_OF_MANY, aboveClasses: MANY_CLASSES } = headLimits();

const { angles, lengths, sizes, cases }: HeadGradients = readJson('head_gradients.json');
const inputs = new Map(
  Object.entries(sizes).map(([name, size]) => [name, makeHeadInputs(size, angles, lengths)]),
);

type Results = Record<string, ArrayLike<number>>;

async function compute(device: (typeof BACKENDS)[number], { options, lambda }: HeadCase, size: string) {
  const { features, weights, labels, ...arrays } = inputs.get(size)!;
  const { classes: numClasses, embedding: embeddingSize } = sizes[size]!;
  const given = Object.entries({ ...options, ...arrays }).filter(([name]) => name in options);
  const result = await headLoss({
    ...Object.fromEntries(given),
    lambda,
    features,
    weights,
    labels,
    numClasses,
    embeddingSize,
    device,
  } as HeadLossOptions);
  return separated(result, labels, embeddingSize);
}

/** All results as arrays; and those of the samples' own classes apart from the others, 0 in their places. */
function separated(result: HeadLossResult, labels: Int32Array, embedding: number): Results {
  const { loss, dScale, notes: _, ...arrays } = result;
  const { logits, dWeights, dCenters } = arrays;
  const classes = logits.length / labels.length;
  const ofTargets = Array.from(labels, (label, i) => i * classes + label);
  const rows = Array.from(labels).flatMap((label) =>
    Array.from({ length: embedding }, (_, i) => label * embedding + i),
  );
  return {
    ...arrays,
    loss: [loss],
    ...(dScale !== undefined && { dScale: [dScale] }),
    ...apart('logits', logits, ofTargets),
    ...apart('dWeights', dWeights, rows),
    ...(dCenters !== undefined && apart('dCenters', dCenters, rows)),
  };
}

function apart(name: string, values: Float32Array, places: number[]): Results {
  const others = values.slice();
  for (const place of places) others[place] = 0;
  return { [`${name}OfTargets`]: places.map((place) => values[place]!), [`${name}OfOthers`]: others };
}

/** Relative errors; a result that was not received is infinitely far. */
function distances(received: Results, expected: Record<string, Digest>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(expected).map(([name, digest]) => {
      const values = received[name] ?? [];
      return [name, distance(values, spread(values.length), digest)];
    }),
  );
}

it('covers every head', () => {
  const covered = Object.values(cases).map(({ options }) => options.head);
  expect(new Set(covered)).toEqual(new Set(HEAD_NAMES));
});

it.each(Object.keys(sizes))('the inputs of size %s are those of the reference', (size) => {
  expect(checksum(inputs.get(size)!)).toBe(sizes[size]!.sha256);
});

describe.each(BACKENDS)('heads on %s', (backend) => {
  const missing = whyMissing(backend);
  if (missing !== '') {
    reportMissing(backend, missing);
    return;
  }
  /** Head to the largest error and where it was. */
  const worst = new Map<string, [number, string]>();

  afterAll(() => {
    for (const [head, [error, where]] of worst) {
      const share = (error / LIMIT).toFixed(2);
      process.stdout.write(`${backend}, ${head}: ${share} of ${LIMIT} used, most by ${where}\n`);
    }
  });

  it.each(Object.entries(cases))('%s', async (name, one) => {
    const errors: Record<string, number> = {};
    for (const [size, expected] of Object.entries(one.results)) {
      const received = await compute(backend, one, size);
      const { cosTheta } = sizes[size]!;
      for (const [result, error] of Object.entries(distances(received, { ...expected, cosTheta }))) {
        errors[`${size}, ${result}`] = error;
        const [most] = worst.get(one.options.head) ?? [0];
        if (error > most) worst.set(one.options.head, [error, `${name}, ${size}, ${result}`]);
      }
    }
    const limit = (place: string) => {
      const [size = '', result] = place.split(', ');
      return result === 'dFeatures' && sizes[size]!.classes > MANY_CLASSES ? LIMIT_OF_MANY : LIMIT;
    };
    expect(exceeding(errors, limit)).toEqual([]);
  });
});

describe('the comparison', () => {
  const one = cases['softmax, bias, auxiliary center 0.3, centers']!;
  const expected = one.results['6x17x8']!;
  let received: Results;

  beforeAll(async () => {
    received = await compute('cpu', one, '6x17x8');
  });

  const judge = (changes: Results) =>
    exceeding(distances({ ...received, ...changes }, expected), LIMIT).map((line) => line.split(':')[0]);

  it('accepts what the head gives', () => {
    expect(judge({})).toEqual([]);
  });

  const changes: [string, (values: number[]) => number[]][] = [
    ['is off by 3e-5', (values) => values.map((value) => value * (1 + 3e-5))],
    ['has one NaN', (values) => values.with(-1, Number.NaN)],
    ['has the opposite sign', (values) => values.map((value) => -value)],
    ['is one number short', (values) => values.slice(1)],
    ['is not there', () => []],
    ['is 0', (values) => values.map(() => 0)],
  ];
  it.each(changes)('refuses every result that %s', (_, change) => {
    for (const name of Object.keys(expected)) {
      expect(judge({ [name]: change(Array.from(received[name]!)) })).toEqual([name]);
    }
  });

  it('wants exact zeros where the reference has them', () => {
    const zero = { tensor: { norm: 0, entries: [0, 0] } };
    expect(exceeding(distances({ tensor: [0, 0] }, zero), LIMIT)).toEqual([]);
    expect(exceeding(distances({ tensor: [0, 1e-30] }, zero), LIMIT)).toHaveLength(1);
  });
});
