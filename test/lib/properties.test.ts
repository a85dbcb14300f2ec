/**
 * Any head with any of its options: what is in range trains to finite numbers, what is not is refused by name. Failures
 * print the smallest example and the seed that leads to it.
 */
import fc from 'fast-check';
import {
  type HeadLossOptions,
  type HeadLossResult,
  headLoss,
  linear,
  MarginCoreError,
  sequential,
  type TrainOptions,
  train,
} from '../../lib/index.js';

const SEED = 20_260;

type Values = fc.Arbitrary<unknown>;
/** An option's values: in range, and out of it. */
interface Domain {
  readonly good: Values;
  readonly bad: readonly unknown[];
}

const CLASSES = 4;
const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const number = (min: number, max: number, ...bad: unknown[]): Domain => ({
  good: between(min, max),
  bad: [Number.NaN, Number.POSITIVE_INFINITY, '1', null, [1], ...bad],
});
const word = (...words: string[]): Domain => ({
  good: fc.constantFrom(...words),
  bad: [words[0]!.toUpperCase(), '', 1, null],
});
const flag: Domain = { good: fc.boolean(), bad: [0, 'true', null] };
const angle = number(0, Math.PI / 2, -0.1, 1.6, 45);
const cosine = number(0, 2, -0.1, 2.1);
const learned = (max: number) => fc.record({ learn: fc.constant(true), init: between(0.01, max) });
const badLengths = [-1, Number.NaN, '30', null, [], { learn: false }, { learn: true, init: 0 }, { init: 3 }];
const scale: Domain = {
  good: fc.oneof(between(0.01, 200), fc.constant('auto'), learned(200)),
  bad: [0, 'large', { learn: true, start: 1 }, ...badLengths],
};
const alpha: Domain = {
  good: fc.oneof(fc.constant(0), between(0.01, 200), learned(200)),
  bad: ['auto', ...badLengths],
};
const multiplier: Domain = {
  good: fc.integer({ min: 1, max: 16 }),
  bad: [0, 17, 2.5, '4', null, Number.NaN],
};
const until = fc.record({ base: between(0, 1e6), until: between(0.01, 1), min: between(0, 10) });
const power = fc.record({ base: between(0, 1e6), gamma: between(0, 1), power: between(0, 50) });
const lambda: Domain = {
  good: fc.oneof(between(0, 1e6), until, power, fc.constantFrom('mnist', 'cifar10+', 'sphereface')),
  bad: [
    -1,
    Number.NaN,
    'minst',
    {},
    { base: 1 },
    { base: 1, until: 2 },
    { base: 1, gamma: 1, power: -1 },
    null,
  ],
};
const scaledBn = { m: number(0.01, 10, 0, -1), epsilon: number(1e-9, 10, 0, -1e-5) };
const center = { weight: number(0, 100, -1), rate: number(0, 1, -0.1, 1.1) };
const part = (type: string, options: Record<string, Domain>): Domain => ({
  good: fc.oneof(
    fc.constant(type),
    fc.record({ type: fc.constant(type), ...goods(options) }, { requiredKeys: ['type'] }),
  ),
  bad: [
    ...[true, '', {}, [type], null, { type: 'none' }, { type, unknown: 1 }],
    ...Object.entries(options).flatMap(([name, { bad }]) => bad.map((value) => ({ type, [name]: value }))),
  ],
});

function goods(options: Readonly<Record<string, Domain>>): Record<string, Values> {
  return Object.fromEntries(Object.entries(options).map(([name, { good }]) => [name, good]));
}

const OWN: Record<string, Record<string, Domain>> = {
  softmax: { bias: flag },
  'l2-softmax': { alpha, l2Scope: word('sample', 'batch'), bias: flag },
  normface: { s: scale },
  'l-softmax': { m: multiplier, lambda },
  'a-softmax': { m: multiplier, lambda },
  'am-softmax': { m: cosine, s: scale },
  arcface: {
    ...{ m: angle, s: scale, easyMargin: flag },
    ...{ wrap: word('continue', 'linear', 'none'), gradient: word('exact', 'detached') },
  },
  combined: { m1: number(0.01, 16, 0, -1, 16.5), m2: angle, m3: cosine, s: scale },
  pedcc: { m: cosine, s: scale, weight: number(0, 100, -1) },
  center: { ...center, bias: flag },
  'scaled-bn': scaledBn,
};
const COMMON: Record<string, Domain> = {
  featureDropout: number(0, 0.95, -0.1, 1),
  classWeights: {
    good: fc.array(between(0.01, 10), { minLength: CLASSES, maxLength: CLASSES }),
    bad: ['balanced', [], [1, 1, 1, 1, 1], [0, 0, 0, 0], [1, 1, -1, 1], [1, 1, 1, Number.NaN], null],
  },
  labelSmoothing: number(0, 0.95, -0.1, 1),
  headLr: number(0, 100, -1),
  marginWarmup: {
    good: fc.oneof(between(0, 0.99), fc.integer({ min: 1, max: 20 })),
    bad: [-0.1, 1.5, Number.NaN, '5', null],
  },
  logitNormalizer: part('scaled-bn', scaledBn),
  auxiliary: part('center', center),
};
const WITHOUT: Record<string, string> = {
  pedcc: 'auxiliary',
  center: 'auxiliary',
  'scaled-bn': 'logitNormalizer',
};
const ALIASES: Record<string, string> = {
  l2: 'l2-softmax',
  sphereface: 'a-softmax',
  cosface: 'am-softmax',
  sbn: 'scaled-bn',
};
const HEADS = [...Object.keys(OWN), ...Object.keys(ALIASES)];

/** All options that a head has, but for those that `headLoss` has in another form. */
function domains(head: string, except: readonly string[] = []): Record<string, Domain> {
  const name = ALIASES[head] ?? head;
  const all = { ...OWN[name], ...COMMON };
  const has = ([key]: [string, Domain]) => !except.includes(key) && WITHOUT[name] !== key;
  return Object.fromEntries(Object.entries(all).filter(has));
}

type Options = Record<string, unknown>;

/** A head with some of its options, all of them in range. */
const inRange = (except: readonly string[] = []) =>
  fc
    .constantFrom(...HEADS)
    .chain((head) =>
      fc
        .record({ head: fc.constant(head), ...goods(domains(head, except)) }, { requiredKeys: ['head'] })
        .map(together),
    );

/** Logits that are normalised have no bias, and features of their own length. */
function together(options: Options): Options {
  if (options.logitNormalizer === undefined) return options;
  const { bias, l2Scope, ...rest } = options;
  return {
    ...rest,
    ...(bias !== undefined && { bias: false }),
    ...(l2Scope !== undefined && { l2Scope: 'sample' }),
  };
}

/** The same with one option that is out of range, misspelt, or another head's. */
const outOfRange = (except: readonly string[] = []) =>
  inRange(except).chain((options) => {
    const own = domains(options.head as string, except);
    const bad = Object.entries(own).flatMap(([name, domain]) => domain.bad.map((value) => ({ name, value })));
    const foreign = [...Object.values(OWN), COMMON]
      .flatMap((others) => Object.entries(others))
      .filter(([name]) => !(name in own) && !except.includes(name))
      .flatMap(([name, { bad }]) => ['unknown', ...bad].slice(0, 1).map((value) => ({ name, value })));
    const spelling = { name: 'margn', value: 0.5 };
    return fc
      .constantFrom(...bad, ...foreign, spelling)
      .map(({ name, value }) => ({ name, options: { ...options, [name]: value } }));
  });

const TRAINING_ONLY = ['bias', 'featureDropout', 'headLr', 'marginWarmup', 'lambda'];

/** Entries of a matrix, zeros and large ones among them. */
const entries = (length: number) =>
  fc
    .array(fc.oneof(fc.constant(0), fc.float({ min: -3, max: 3, noNaN: true })), {
      minLength: length,
      maxLength: length,
    })
    .chain((values) =>
      fc.constantFrom(1, 1e-6, 1e4).map((size) => Float32Array.from(values, (v) => v * size)),
    );

const arrays = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 })).chain(([N, D]) =>
  fc.record({
    features: entries(N * D),
    weights: entries(CLASSES * D),
    labels: fc
      .array(fc.integer({ min: 0, max: CLASSES - 1 }), { minLength: N, maxLength: N })
      .map((labels) => Int32Array.from(labels)),
    numClasses: fc.constant(CLASSES),
    embeddingSize: fc.constant(D),
    lambda: fc.constantFrom(0, 0.5, 1000),
  }),
);

const lossOf = (options: Options, inputs: Options) =>
  headLoss({ ...options, ...inputs } as unknown as HeadLossOptions);

function expectFinite(result: HeadLossResult): void {
  const { notes: _, ...numeric } = result;
  for (const [name, values] of Object.entries(numeric)) {
    const numbers = typeof values === 'number' ? [values] : Array.from(values as Float32Array);
    expect({ name, bad: numbers.filter((value) => !Number.isFinite(value)) }).toEqual({ name, bad: [] });
  }
}

/** The call is refused, with the option in question. */
async function expectRefused(name: string, call: () => Promise<unknown>): Promise<void> {
  const error = await call().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MarginCoreError);
  const { code, details } = error as MarginCoreError;
  expect(code).toBe('INVALID_OPTION');
  expect((details.option as string).split(/[.[ ]/)[0]).toBe(name);
}

test('headLoss of options in range is finite, and the same again', async () => {
  const property = fc.asyncProperty(inRange(TRAINING_ONLY), arrays, async (options, inputs) => {
    const result = await lossOf(options, inputs);
    expectFinite(result);
    expect(await lossOf(options, inputs)).toEqual(result);
  });
  await fc.assert(property, { seed: SEED, numRuns: 1000 });
});

test('headLoss of an option out of range is refused by its name', async () => {
  const property = fc.asyncProperty(outOfRange(TRAINING_ONLY), arrays, ({ name, options }, inputs) =>
    expectRefused(name, () => lossOf(options, inputs)),
  );
  await fc.assert(property, { seed: SEED, numRuns: 800 });
});

type Arrays = { features: Float32Array; weights: Float32Array; labels: Int32Array; embeddingSize: number };
const BROKEN: ((inputs: Arrays) => Options)[] = [
  ({ features }) => ({ features: features.subarray(1) }),
  ({ weights }) => ({ weights: Float32Array.of(...weights, 1) }),
  ({ features }) => ({ features: features.map(() => Number.NaN) }),
  ({ weights }) => ({ weights: weights.fill(Number.NEGATIVE_INFINITY, weights.length - 1) }),
  ({ labels }) => ({ labels: labels.map(() => CLASSES) }),
  ({ labels }) => ({ labels: labels.map(() => -1) }),
  () => ({ labels: new Int32Array(), features: new Float32Array() }),
];

test('headLoss of arrays that do not fit is refused as data', async () => {
  const broken = fc.constantFrom(...BROKEN);
  const property = fc.asyncProperty(
    inRange(TRAINING_ONLY),
    arrays,
    broken,
    async (options, inputs, change) => {
      const call = lossOf(options, { ...inputs, ...change(inputs) });
      await expect(call).rejects.toMatchObject({ name: 'MarginCoreError', code: 'INVALID_DATA' });
    },
  );
  await fc.assert(property, { seed: SEED, numRuns: 500 });
});

/** Numbers that single precision rounds to 0, 1 or infinity. */
const extreme = fc.record({
  head: fc.constantFrom(
    'arcface',
    'am-softmax',
    'combined',
    'pedcc',
    'normface',
    'l2-softmax',
    'center',
    'sbn',
  ),
  name: fc.constantFrom('s', 'alpha', 'm', 'm1', 'm3', 'weight', 'epsilon', 'labelSmoothing', 'classWeights'),
  value: fc.constantFrom<unknown>(
    ...[1e-300, 1e-46, 1e-20, 1e18, 1e39, 1e300, 1 - 1e-12, Number.MIN_VALUE],
    ...[
      [1e-300, 1e-300, 1e-300, 1e-300],
      [1e300, 1, 1, 1],
      [1e-20, 1e20, 1, 1],
    ],
  ),
});

test('headLoss of extreme values is finite, or refused', async () => {
  let finite = 0;
  const property = fc.asyncProperty(extreme, arrays, async ({ head, name, value }, inputs) => {
    try {
      const { loss } = await lossOf({ head, [name]: value }, inputs);
      expect(loss).not.toBeNaN();
      finite++;
    } catch (error) {
      if (!(error instanceof MarginCoreError)) throw error;
      expect(error.code).toBe('INVALID_OPTION');
    }
  });
  await fc.assert(property, { seed: SEED, numRuns: 1000 });
  expect(finite).toBeGreaterThan(50);
});

/** Four classes of 4×4 images, bright in one corner each. */
const images = Uint8Array.from({ length: 12 * 16 }, (_, i) => {
  const [sample, row, column] = [Math.floor(i / 16), Math.floor((i % 16) / 4), i % 4];
  const corner = (row < 2 ? 0 : 2) + (column < 2 ? 0 : 1);
  return (corner === sample % CLASSES ? 200 : 20) + sample;
});
const data = {
  images: { data: images, shape: [12, 4, 4, 1] as const },
  labels: Array.from({ length: 12 }, (_, i) => i % CLASSES),
};
const model = sequential([linear({ outFeatures: 3 })]);

/** One step. */
async function step(options: Options): Promise<number[]> {
  const values: number[] = [];
  const result = await train({
    ...{ data, model, device: 'cpu', threads: 1, batchSize: 5, epochs: 2 },
    ...options,
    onStep: ({ loss, gradientNorm, logitGradientNorm }, controls) => {
      values.push(loss, gradientNorm, logitGradientNorm);
      controls.stop();
    },
  } as TrainOptions);
  result.model.dispose();
  return values;
}

test('a training step with options in range is finite', async () => {
  const property = fc.asyncProperty(inRange(), async (options) => {
    const values = await step(options);
    expect(values).toHaveLength(3);
    expect(values.every(Number.isFinite)).toBe(true);
  });
  await fc.assert(property, { seed: SEED, numRuns: 300 });
});

test('a training run with an option out of range is refused by its name', async () => {
  const property = fc.asyncProperty(outOfRange(), ({ name, options }) =>
    expectRefused(name, () => step(options)),
  );
  await fc.assert(property, { seed: SEED, numRuns: 1000 });
});
