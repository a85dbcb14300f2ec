/** What is said of real runs: a part of the matrix of `npm run diagnoses`, on few images with a small network. */
import {
  conv2d,
  type Dataset,
  type EpochRecord,
  linear,
  type Model,
  relu,
  sequential,
  type TrainOptions,
  train,
} from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';

const model = sequential([
  conv2d({ outChannels: 8, kernelSize: 5, stride: 2 }),
  relu(),
  conv2d({ outChannels: 16, kernelSize: 3, stride: 2 }),
  relu(),
  linear({ outFeatures: 64 }),
]);
const FEW_EPOCHS = 4;

let data: Dataset;
beforeAll(async () => {
  data = await sample(1500, 1000);
});

async function run(options: TrainOptions) {
  const { model: trained, ...result } = await train({
    ...{ data, model, batchSize: 32, epochs: FEW_EPOCHS, seed: 1, threads: 1, device: 'cpu' },
    ...options,
  });
  trained.dispose();
  return result;
}

const names = ({ diagnoses }: EpochRecord) => diagnoses.map(({ name }) => name);
const ONLY_FIRST = Array.from({ length: 10 }, (_, index) => (index === 0 ? 1 : 0));

test.each<[TrainOptions]>([
  [{ head: 'softmax' }],
  [{ head: 'softmax', optimizer: 'sgd' }],
  [{ head: 'arcface' }],
  [{ head: 'arcface', m: Math.PI / 2 }],
  [{ head: 'arcface', s: 0.5 }],
  [{ head: 'am-softmax', optimizer: 'sgd' }],
  [{ head: 'l-softmax' }],
  [{ head: 'scaled-bn' }],
])('nothing is said of a run that learns: %j', async (options) => {
  const { history, test: scores, notes } = await run(options);
  expect(scores!.accuracy).toBeGreaterThan(0.7);
  expect(history.map(names)).toEqual([[], [], [], []]);
  expect(notes.filter(({ message }) => /^[a-z-]+: /.test(message))).toEqual([]);
});

test.each<[TrainOptions, string, number]>([
  [{ head: 'softmax', learningRate: 1 }, 'learning-rate-too-high', 2],
  [{ head: 'arcface', learningRate: 10 }, 'learning-rate-too-high', 4],
  [{ head: 'arcface', learningRate: 1e-6 }, 'learning-rate-too-low', 2],
  [{ head: 'softmax', optimizer: 'sgd', learningRate: 3e-5 }, 'learning-rate-too-low', 2],
  [{ head: 'normface', featureDropout: 0.95 }, 'dropout-too-high', 4],
  [{ head: 'center', classWeights: ONLY_FIRST }, 'one-class-weighted', 2],
  [{ head: 'a-softmax', m: 16, lambda: 0 }, 'margin-too-large', 4],
])('%j: %s is said, after %d epochs at the latest, and told once', async (options, cause, latest) => {
  const { history, notes } = await run(options);
  const first = history.findIndex((record) => names(record).includes(cause as never)) + 1;
  expect(first).toBeGreaterThan(0);
  expect(first).toBeLessThanOrEqual(latest);
  expect(history.flatMap(names).every((name) => name === cause)).toBe(true);
  expect(notes.filter(({ message }) => message.startsWith(`${cause}: accuracy is `))).toHaveLength(1);
});

test.each<[string, TrainOptions]>([
  ['onStep', { onStep: ({ step }, { stop }) => step >= 80 && stop() }],
  ['onEpoch', { onEpoch: ({ epoch }, { stop }) => epoch === 2 && stop() }],
])('a run stopped in %s is judged as one that is over', async (_, options) => {
  const { history, notes } = await run({ head: 'normface', featureDropout: 0.95, epochs: 20, ...options });
  expect(history.length).toBeLessThan(20);
  expect(names(history.at(-1)!)).toEqual(['dropout-too-high']);
  expect(notes.map(({ code }) => code)).toContain('DROPOUT_TOO_HIGH');
});

test('images that are all alike: collapsed', async () => {
  const { images, labels } = (await sample(200)).train;
  for (let i = 1; i < 200; i++) images.data.copyWithin(i * 784, 0, 784);
  const { history } = await run({
    head: 'arcface',
    data: { ...data, train: { images, labels } },
    batchSize: 8,
  });
  expect(names(history.at(-1)!)).toEqual(['collapsed']);
  expect(history.at(-1)!.diagnoses[0]!.message).toMatch(
    /within 0\.\d\d° of one direction.*Are the images all alike\?/,
  );
});

test.each<[TrainOptions, string]>([
  [{ head: 'softmax' }, 'Try a lower learningRate or a longer warm-up'],
  [
    { head: 'normface', logitNormalizer: 'scaled-bn' },
    'Try a lower learningRate, a longer warm-up, or a smaller scale',
  ],
])('advice where %j diverges', async (options, advice) => {
  const error = await refusal(() => run({ ...options, optimizer: 'sgd', learningRate: 1e30 }));
  expect(error.code).toBe('NON_FINITE');
  (error.details.model as Model).dispose();
  expect(error.message.endsWith(advice)).toBe(true);
});
