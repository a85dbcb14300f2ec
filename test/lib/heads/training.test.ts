/** Every head in training, on a few images: that it learns, what is said of it, and what its model predicts. */
import {
  batchNorm,
  concat,
  conv2d,
  type Dataset,
  type EpochRecord,
  linear,
  maxPool2d,
  type Percentiles,
  residual,
  type StepEvent,
  sequential,
  type TrainOptions,
  type TrainResult,
  train,
} from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { first, sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

const IMAGES = 240;
const BATCH = 20;
const EPOCHS = 3;

let data: Dataset;

beforeAll(async () => {
  data = await sample(IMAGES, 100);
});

/** So small that one thread is faster than two. */
const SMALL = { model: tinyModel, batchSize: BATCH, epochs: EPOCHS, learningRate: 0.01 } as const;
const run = (options: TrainOptions) =>
  train({ data, device: 'cpu', threads: 1, deterministic: true, ...SMALL, ...options });

/** Margin heads at scales and λ with which a few images are enough. */
const HEADS: TrainOptions[] = [
  { head: 'softmax' },
  { head: 'l2-softmax' },
  { head: 'l2-softmax', l2Scope: 'batch', alpha: 60 },
  { head: 'l2-softmax', alpha: { learn: true } },
  { head: 'normface' },
  { head: 'l-softmax', m: 2, lambda: 2 },
  { head: 'a-softmax', lambda: 10 },
  { head: 'am-softmax', s: 8 },
  { head: 'arcface', s: 8, m: 0.3 },
  { head: 'arcface', s: 8, m: 0.3, logitNormalizer: { type: 'scaled-bn', m: 2 } },
  { head: 'combined', s: 8, m1: 1.1, m2: 0.1, m3: 0.1 },
  { head: 'pedcc' },
  { head: 'center' },
  { head: 'scaled-bn' },
  { head: 'softmax', logitNormalizer: 'scaled-bn', auxiliary: 'center' },
  { head: 'normface', auxiliary: { type: 'center', weight: 0.5 }, featureDropout: 0.1 },
];

describe.each(HEADS.map((options) => [options]))('%j', (options) => {
  const steps: StepEvent[] = [];
  let result: TrainResult;
  beforeAll(async () => {
    result = await run({ ...options, onStep: (event) => steps.push(event) });
  });
  afterAll(() => result.model.dispose());

  test('learns', () => {
    expect(steps).toHaveLength((EPOCHS * IMAGES) / BATCH);
    for (const { loss, gradientNorm, logitGradientNorm } of steps) {
      expect([loss, gradientNorm, logitGradientNorm].every(Number.isFinite)).toBe(true);
    }
    expect(result.history[2]!.loss).toBeLessThan(result.history[0]!.loss);
    expect(result.test!.accuracy).toBeGreaterThan(0.4); // a guess is right in 0.1
    expect(result.history[2]!.diagnoses).toEqual([]);
  });

  test('its statistics are those of the model', async () => {
    for (const { head } of result.history) {
      for (const angles of [head.targetAngle, head.nearestOtherAngle]) expectOrdered(angles, 0, 180);
      for (const norms of [head.featureNorm, head.weightNorm]) expectOrdered(norms, 1e-3, 1e3);
      expect(head.spread).toBeGreaterThan(1);
      expect(head.spread).toBeLessThanOrEqual(180);
    }
    const { head } = result.history[2]!;
    const { data: rows, shape } = await result.model.embed(data.train.images, { normalize: false });
    const norms = Array.from({ length: IMAGES }, (_, i) =>
      Math.hypot(...rows.subarray(i * shape[1], (i + 1) * shape[1])),
    ).sort((a, b) => a - b);
    // 5 %, 50 % and 95 % of 239 lie below
    [12, 120, 227].forEach((rank, index) => {
      expect(head.featureNorm[index]! / norms[rank]!).toBeCloseTo(1, 5);
    });
    if (options.head === 'pedcc')
      expect(head.weightNorm).toEqual([1, 1, 1].map((one) => expect.closeTo(one, 6)));
  });

  test('an epoch sums its steps up', () => {
    for (const [index, record] of result.history.entries()) {
      const own = steps.filter(({ epoch }) => epoch === index + 1);
      const mean = (key: 'loss' | 'pastPi' | 'gradientNorm' | 'logitGradientNorm') =>
        own.reduce((sum, event) => sum + event[key], 0) / own.length;
      expect(record.loss).toBeCloseTo(mean('loss'), 9);
      expect(record.pastPi).toBeCloseTo(mean('pastPi'), 9);
      expect(record.gradientNorm).toBeCloseTo(mean('gradientNorm'), 9);
      expect(record.logitGradientNorm).toBeCloseTo(mean('logitGradientNorm'), 9);
      // A row's gradient p − y has a length below √2.
      expect(record.logitGradientNorm).toBeLessThan(Math.sqrt(2 / BATCH));
      expect(record.logitGradientNorm).toBeGreaterThan(0);
    }
  });

  test('what is predicted of an image does not depend on the images beside it', async () => {
    const together = await result.model.predict(data.test!.images);
    for (const index of [0, 41, 99]) {
      const { images } = data.test!;
      const pixels = images.data.subarray(index * 784, (index + 1) * 784);
      const alone = await result.model.predict({ data: pixels, shape: [1, 28, 28, 1] });
      alone.probabilities.forEach((probability, label) => {
        expect(probability).toBeCloseTo(together.probabilities[10 * index + label]!, 5);
      });
    }
    const { accuracy } = await result.model.evaluate(data.train);
    expect(accuracy).toBeGreaterThan(0.5);
  });
});

function expectOrdered([p5, p50, p95]: Percentiles, min: number, max: number): void {
  expect(p5).toBeGreaterThanOrEqual(min);
  expect(p50).toBeGreaterThanOrEqual(p5);
  expect(p95).toBeGreaterThanOrEqual(p50);
  expect(p95).toBeLessThanOrEqual(max);
}

const messages = ({ notes }: TrainResult) => notes.map(({ message }) => message);

/** All but the times. */
const timeless = (history: readonly EpochRecord[]) =>
  history.map(({ seconds: _, imagesPerSecond: __, ...record }) => record);

test.each<[TrainOptions]>([
  [{ head: 'l2-softmax', l2Scope: 'batch', featureDropout: 0.2 }],
  [{ head: 'l2', alpha: { learn: true }, labelSmoothing: 0.1 }],
  [{ head: 'l-softmax', m: 2, lambda: 'mnist', classWeights: [1, 2, 1, 1, 1, 1, 1, 1, 1, 0] }],
  [{ head: 'sphereface', marginWarmup: 0.3 }],
  [{ head: 'cosface', s: 'auto', logitNormalizer: 'scaled-bn' }],
  [{ head: 'combined', s: { learn: true }, auxiliary: 'center', headLr: 3 }],
  [{ head: 'pedcc', seed: 5 }],
  [{ head: 'center', weight: 0.1, rate: 0.9 }],
  [{ head: 'sbn', auxiliary: { type: 'center', weight: 0.2 }, validation: 0.2 }],
])('the options of a result repeat the run: %j', async (options) => {
  const once = await run({ ...options, epochs: 2 });
  const again = await train({ ...once.options, data });
  once.model.dispose();
  again.model.dispose();
  expect(timeless(again.history)).toEqual(timeless(once.history));
  expect(again.options).toEqual(once.options);
  expect(again.test).toEqual(once.test);
});

describe('what is in force', () => {
  /** The values of each step, and the epochs' records. */
  async function follow(options: TrainOptions) {
    const steps: StepEvent[] = [];
    const result = await run({ ...options, onStep: (event) => steps.push(event) });
    const { model, history } = result;
    model.dispose();
    return { steps, history, notes: messages(result) };
  }

  test('λ follows its rule from step to step', async () => {
    const lambda = { base: 500, until: 0.5, min: 2 };
    const { steps, history } = await follow({ head: 'a-softmax', lambda });
    // 36 steps; λ is at min from the 19th on
    expect(steps.map((event) => event.lambda)).toEqual(
      steps.map((_, t) => expect.closeTo(t < 18 ? Math.max(2, 500 * ((18 - t) / 18) ** 6) : 2, 9)),
    );
    expect(history.map((record) => record.lambda)).toEqual([11, 23, 35].map((step) => steps[step]!.lambda));
    expect(history[0]!.margin).toEqual({ m1: 4, m2: 0, m3: 0 });
  });

  test('λ hides the margin', async () => {
    const plain = await follow({ head: 'a-softmax', m: 1, epochs: 1 });
    const hidden = await follow({ head: 'a-softmax', m: 4, lambda: 1e6, epochs: 1 });
    const bare = await follow({ head: 'a-softmax', m: 4, lambda: 0, epochs: 1 });
    expect(hidden.steps[0]!.loss).toBeCloseTo(plain.steps[0]!.loss, 3);
    expect(bare.steps[0]!.loss).toBeGreaterThan(1.5 * plain.steps[0]!.loss);
    expect(hidden.notes).toContainEqual(expect.stringContaining('λ ends at 1.00e+6 after 12 steps'));
  });

  test('marginWarmup ramps every part of the margin', async () => {
    const { steps, history } = await follow({
      ...{ head: 'combined', s: 8, m1: 1.2, m2: 0.2, m3: 0.1, marginWarmup: 20 },
    });
    expect(steps.map((event) => event.marginRamp)).toEqual(steps.map((_, t) => Math.min(1, t / 20)));
    const full = { m1: expect.closeTo(1.2, 9), m2: 0.2, m3: 0.1 };
    const partial = [1 + 0.2 * 0.55, 0.2 * 0.55, 0.1 * 0.55].map((value) => expect.closeTo(value, 9));
    expect(history[0]!.margin).toEqual({ m1: partial[0], m2: partial[1], m3: partial[2] });
    expect(history.slice(1).map((record) => record.margin)).toEqual([full, full]);
  });

  test('at the first step of a marginWarmup the margin is not there', async () => {
    const plain = await follow({ head: 'normface', s: 8, epochs: 1 });
    const warmed = await follow({ head: 'arcface', s: 8, marginWarmup: 3, epochs: 1 });
    expect(warmed.steps[0]!.loss).toBeCloseTo(plain.steps[0]!.loss, 5);
    expect(warmed.steps[3]!.loss).toBeGreaterThan(plain.steps[3]!.loss + 1);
  });

  test('heads without margin have none, nor λ, nor samples past π', async () => {
    const { steps, history } = await follow({ head: 'normface', epochs: 1 });
    expect(history[0]).not.toHaveProperty('margin');
    expect(history[0]).toMatchObject({ lambda: 0, pastPi: 0 });
    expect(
      steps.every(({ lambda, pastPi, marginRamp }) => lambda === 0 && pastPi === 0 && marginRamp === 1),
    ).toBe(true);
  });

  test('with logits near 0 their gradient is that of equal probabilities', async () => {
    const { steps } = await follow({ head: 'normface', s: 1e-3, epochs: 1, learningRate: 0 });
    for (const event of steps) {
      expect(event.logitGradientNorm).toBeCloseTo(Math.sqrt((0.9 ** 2 + 9 * 0.1 ** 2) / BATCH), 4);
      expect(event.loss).toBeCloseTo(Math.log(10), 3);
    }
  });

  test('most samples of a wide margin are past π where embeddings are untrained', async () => {
    const still = { learningRate: 0, seed: 5 }; // whose median angle is above 90°
    const { steps, history } = await follow({ head: 'l-softmax', m: 6, lambda: 100, ...still });
    for (const event of steps) expect(event.pastPi).toBeGreaterThan(0.5);
    expect(history[0]!.head.targetAngle[1]).toBeGreaterThan(90);
  });
});

describe('the last batch of an epoch', () => {
  const tailed = async (options: TrainOptions) => {
    const sizes: number[] = [];
    const result = await run({
      ...options,
      ...{ data: { ...data, train: first(data.train, 41) }, epochs: 2 },
      // Accuracies are multiples of 1/20, of 1, or of 1/21.
      onStep: ({ accuracy }) => sizes.push([20, 1, 21].find((n) => isWhole(accuracy * n)) ?? 0),
    });
    result.model.dispose();
    const notes = messages(result).filter((note) => note.includes('last batch'));
    return { steps: result.history.map((record) => record.steps), notes };
  };
  const isWhole = (value: number) => Math.abs(value - Math.round(value)) < 1e-9;

  /** Batch norm within the network, where it is not easily seen. */
  const normalized = sequential([
    conv2d({ outChannels: 2, kernelSize: 5 }),
    maxPool2d({ kernelSize: 4 }),
    residual({
      body: [concat({ branches: [[], [batchNorm()]] }), conv2d({ outChannels: 2, kernelSize: 1 })],
    }),
    linear({ outFeatures: 8 }),
  ]);

  test.each<[TrainOptions]>([
    [{ head: 'scaled-bn' }],
    [{ head: 'arcface', s: 8, logitNormalizer: 'scaled-bn' }],
    [{ model: normalized }],
  ])('of one image joins the one before where there are batch statistics: %j', async (options) => {
    const { steps, notes } = await tailed(options);
    expect(steps).toEqual([2, 2]);
    expect(notes).toEqual([expect.stringContaining('it joins the batch before')]);
  });

  test.each<[TrainOptions]>([[{}], [{ head: 'arcface', s: 8 }], [{ head: 'center' }]])(
    'of one image is a step of its own elsewhere: %j',
    async (options) => {
      expect(await tailed(options)).toEqual({ steps: [3, 3], notes: [] });
    },
  );

  test('of two images is a step with batch statistics', async () => {
    const result = await run({ head: 'sbn', data: { ...data, train: first(data.train, 42) }, epochs: 1 });
    result.model.dispose();
    expect(result.history[0]!.steps).toBe(3);
    expect(messages(result).filter((note) => note.includes('last batch'))).toEqual([]);
  });

  test.each<[string, TrainOptions, number, string]>([
    ['a batch of one image', { batchSize: 1 }, 20, ''],
    ['one training image', {}, 1, 'An epoch has only one training image'],
  ])('%s is refused where there are batch statistics', async (_, options, images, hint) => {
    const few = { ...data, train: first(data.train, images) };
    for (const normed of [
      { head: 'scaled-bn' },
      { head: 'normface', logitNormalizer: 'scaled-bn' },
      { model: normalized },
    ] as const) {
      const error = await refusal(() => run({ ...options, ...normed, data: few }));
      expect(error.code).toBe('INVALID_OPTION');
      expect(error.message).toContain('two or more images per step (batch norm needs them) for batchSize');
      expect(error.message).toContain(hint);
    }
  });
});

describe('pedcc', () => {
  const conv = 4 * 25 + 4;

  test.each([2, 128])('centroids of a %d-D embedding are no trained parameters', async (size) => {
    const layers = [
      ...tinyModel.layers.slice(0, -1),
      { type: 'linear', name: 'embedding', outFeatures: size } as const,
    ];
    const { model, test } = await run({ head: 'pedcc', model: { ...tinyModel, layers }, epochs: 20 });
    expect(model.summary().parameters).toBe(conv + 144 * size + size);
    expect(model.summary().layers.at(-1)).toMatchObject({ name: 'pedcc', type: 'head', parameters: 0 });
    expect(test!.accuracy).toBeGreaterThan(0.3);

    // Centroids sum to 0, so a row of ln p is s·cosθ_j but for a constant.
    const { probabilities } = await model.predict(data.test!.images);
    model.dispose();
    for (let row = 0; row < 100; row++) {
      const logs = Array.from(probabilities.subarray(10 * row, 10 * row + 10), Math.log);
      const mean = logs.reduce((sum, value) => sum + value, 0) / 10;
      const squares = logs.reduce((sum, value) => sum + ((value - mean) / 7.5) ** 2, 0);
      // Σcos²θ_j of ten directions 36° apart in their plane; of a simplex, at most: where an embedding lies in its space.
      if (size === 2) expect(squares).toBeCloseTo(5, 2);
      else expect(squares).toBeLessThan(10 / 9 + 1e-3);
    }
  });

  test('too many classes for a small embedding are refused', async () => {
    const labels = Int32Array.from({ length: 20 }, (_, i) => (i === 0 ? 10_000 : i));
    const { images } = first(data.train, 20);
    const layers = [{ type: 'linear', outFeatures: 2 } as const];
    const error = await refusal(() =>
      run({ head: 'pedcc', model: { name: 'plane', layers }, data: { images, labels } }),
    );
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain('at most 10000 classes, or an embedding of at least 10000');
  });
});

/** Where θ_y reaches 0, textbook formulas of the margin give NaN. */
test('60 images of three easy classes are learned to 100 % without a non-finite value', async () => {
  const { images, labels } = await sample(400).then(({ train }) => train);
  const classes = [1, 8, 9]; // trousers, bags, ankle boots
  const chosen = classes.flatMap((label) =>
    Array.from(labels.keys())
      .filter((i) => labels[i] === label)
      .slice(0, 20),
  );
  const values: number[] = [];
  const { model, history } = await run({
    data: {
      images: {
        data: Uint8Array.from(
          chosen.flatMap((i) => Array.from(images.data.subarray(i * 784, (i + 1) * 784))),
        ),
        shape: [60, 28, 28, 1],
      },
      labels: chosen.map((i) => classes.indexOf(labels[i]!)),
    },
    ...{ head: 'arcface', epochs: 40 },
    onStep: ({ loss, gradientNorm, logitGradientNorm }) => values.push(loss, gradientNorm, logitGradientNorm),
  });
  model.dispose();
  expect(values.every(Number.isFinite)).toBe(true);
  expect(history.at(-1)!.accuracy).toBe(1);
  expect(history.at(-1)!.loss).toBeLessThan(0.1);
});
