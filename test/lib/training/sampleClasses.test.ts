/** Steps that compare drawn classes alone: what a user sees of it. */
import { conv2d, linear, maxPool2d, relu, sequential, type TrainOptions, train } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

const CLASSES = 64;
const SIZE = 16;

/** A spot of 2 × 2 pixels, at a place of its own for each class, in noise. */
function images(perClass: number, seed: number) {
  const count = CLASSES * perClass;
  const data = new Uint8Array(count * SIZE * SIZE);
  const labels = Int32Array.from({ length: count }, (_, i) => i % CLASSES);
  let state = seed;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state >>> 26;
  }
  for (const [i, label] of labels.entries()) {
    const first = i * SIZE * SIZE + Math.floor(label / 8) * 2 * SIZE + (label % 8) * 2;
    for (const pixel of [0, 1, SIZE, SIZE + 1]) data[first + pixel] = 250;
  }
  return { images: { data, shape: [count, SIZE, SIZE, 1] as const }, labels };
}

const data = { ...images(30, 1), test: images(5, 2) };

const OPTIONS = {
  data,
  model: sequential([
    conv2d({ outChannels: 8, kernelSize: 3 }),
    relu(),
    maxPool2d({ kernelSize: 2 }),
    linear({ outFeatures: 32 }),
  ]),
  head: 'arcface',
  s: 16,
  m: 0.1,
  learningRate: 3e-3,
  batchSize: 8,
  epochs: 3,
  device: 'cpu',
  deterministic: true,
  sampleClasses: 0.75,
} satisfies TrainOptions;

async function trained(options: TrainOptions) {
  const result = await train({ ...OPTIONS, ...options });
  using model = result.model;
  const { history } = result;
  return {
    result,
    losses: history.map(({ loss }) => loss),
    test: result.test!.accuracy,
    classes: model.classNames.length,
  };
}

test('a run learns all classes, and says what it compared', async () => {
  const { result, test: accuracy, classes } = await trained({});
  expect(classes).toBe(CLASSES);
  expect(accuracy).toBeGreaterThan(0.95);
  expect(result.options.sampleClasses).toBe(0.75);
  const { losses: all, test: full } = await trained({ sampleClasses: 1 });
  expect(full).toBeGreaterThan(0.95);
  expect(all).not.toEqual(result.history.map(({ loss }) => loss));
});

test('a share of 1 is the run without one', async () => {
  const { sampleClasses, ...plain } = OPTIONS;
  const result = await train(plain);
  result.model.dispose();
  const { losses } = await trained({ sampleClasses: 1 });
  expect(losses).toEqual(result.history.map(({ loss }) => loss));
});

test('the first loss is that of the classes that are compared', async () => {
  const { result } = await trained({
    head: 'softmax',
    s: undefined,
    m: undefined,
    epochs: 0.1,
  } as TrainOptions);
  expect(result.firstLoss.expected).toBeCloseTo(Math.log(48), 6);
});

test('a run that is broken off goes on to the very numbers', async () => {
  const straight = await trained({ optimizer: 'sgd', learningRate: 0.01 });
  const kept = { optimizer: 'sgd', learningRate: 0.01, checkpoint: inFolder('run') } as const;
  const controller = new AbortController();
  const breaking = trained({
    ...kept,
    signal: controller.signal,
    onEpoch: ({ epoch }) => {
      if (epoch === 2) controller.abort(new Error('enough'));
    },
  });
  await expect(breaking).rejects.toThrow('enough');
  const { losses, test: accuracy } = await trained({ ...kept, resume: true });
  expect(losses).toEqual(straight.losses);
  expect(accuracy).toBe(straight.test);
  const other = await refusal(() => trained({ ...kept, resume: true, sampleClasses: 1 }));
  expect(other.message).toMatch(/sampleClasses: 0\.75 there, none now/);
});

test.each<[string, TrainOptions, RegExp]>([
  [
    'fewer of a block than a batch has',
    { sampleClasses: 0.01 },
    /sampleClasses: of classes \d+ to \d+ a step compares 1, but a batch has images of \d of them: raise it/,
  ],
  [
    'scaled batch norm',
    { head: 'scaled-bn', m: 0.8, s: undefined } as never,
    /all classes to be compared beside scaled batch norm/,
  ],
  ['label smoothing', { labelSmoothing: 0.1 }, /all classes to be compared beside label smoothing/],
  ['mixup', { augment: { mixup: 0.2 } }, /all classes to be compared beside mixup and cutmix/],
])('%s is refused', async (_, options, message) => {
  const error = await refusal(() => trained(options));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toMatch(message);
});
