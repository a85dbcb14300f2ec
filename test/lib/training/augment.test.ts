/** Augmentation in whole runs: of training images alone, and the same however a run is divided. */
import { type AugmentOptions, checkAugment } from '../../../lib/data/augment.js';
import { allOf } from '../../../lib/data/samples.js';
import { type Dataset, type TrainOptions, train } from '../../../lib/index.js';
import { augmentedImages } from '../../../lib/report/augmentedPicture.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;

beforeAll(async () => {
  data = await sample(120, 60);
});

const EVERYTHING: AugmentOptions = {
  resizedCrop: [0.4, 1],
  flip: 'alternating',
  rotate: 10,
  translate: 0.1,
  shear: 5,
  padding: 'reflect',
  brightness: 0.3,
  contrast: 0.3,
  erase: 0.3,
};
const MIXED: AugmentOptions = { ...EVERYTHING, mixup: 0.5, cutmix: 1 };

async function run(options: TrainOptions) {
  const losses: number[] = [];
  const {
    model,
    history,
    test,
    options: effective,
  } = await train({
    ...{ data, model: tinyModel, epochs: 2, batchSize: 40, device: 'cpu', deterministic: true, ...options },
    onStep: ({ loss }) => void losses.push(loss),
  });
  model.dispose();
  return { losses, history, test, effective };
}

test('training images are changed, in every epoch anew; those that are scored are not', async () => {
  // Without steps of any length, only the images make a difference.
  const still = { learningRate: 0, validation: { images: data.test!.images, labels: data.test!.labels } };
  const [plain, changed] = [await run(still), await run({ ...still, augment: EVERYTHING })];
  expect(changed.test).toEqual(plain.test);
  const scores = ({ history }: typeof plain) => history.map(({ validation }) => validation);
  expect(scores(changed)).toEqual(scores(plain));
  expect(changed.losses).not.toEqual(plain.losses);
  const mean = (losses: number[]) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  const epochs = ({ losses }: typeof plain) => [mean(losses.slice(0, 3)), mean(losses.slice(3))] as const;
  expect(epochs(plain)[1]).toBeCloseTo(epochs(plain)[0], 5); // the same images in another order
  expect(Math.abs(epochs(changed)[1] - epochs(changed)[0])).toBeGreaterThan(1e-3);
});

test('steps see the very images that augmentedImages shows', async () => {
  const augment = checkAugment(EVERYTHING, 'augment');
  const seen = await augmentedImages(allOf(data.train), { augment, seed: 3, epoch: 0, device: 'cpu' });
  const images = { ...data.train.images, data: Uint8Array.from(seen, Math.round) };
  const options = {
    ...{ learningRate: 0, epochs: 1, batchSize: 120, seed: 3, normalize: { mean: [0.3], std: [0.3] } },
  };
  const [changed] = (await run({ ...options, augment: EVERYTHING })).losses;
  const [given] = (await run({ ...options, data: { ...data, train: { ...data.train, images } } })).losses;
  const [plain] = (await run(options)).losses;
  // Whose pixels are rounded.
  expect(Math.abs(changed! - given!)).toBeLessThan(Math.abs(plain! - given!) / 50);
});

test.each([EVERYTHING, MIXED])('the number of threads changes no bit', async (changes) => {
  const augment = checkAugment(changes, 'augment');
  const images = (threads: number) =>
    augmentedImages(allOf(data.train), { augment, seed: 1, epoch: 4, device: 'cpu', threads });
  expect(await images(2)).toEqual(await images(1));
});

test('the result says what was in force, and repeats the run', async () => {
  const first = await run({ augment: 'cifar' });
  expect(first.effective.augment).toEqual({ crop: 4, flip: true });
  const again = await run({ augment: first.effective.augment });
  expect(again.losses).toEqual(first.losses);
  expect((await run({})).effective.augment).toEqual({});
});

test('images are mixed with the one before them, and steps see them with both labels', async () => {
  // Two images, so that each is the other's partner in any order: black and white, so that a pixel is the share.
  const [zero, one] = [0, 1].map((label) => Array.from(data.train.labels).indexOf(label)) as [number, number];
  const shape: [number, number, number, number] = [2, 28, 28, 1];
  const images = { data: new Uint8Array(2 * 784).fill(255, 784), shape };
  const labels = Int32Array.from([zero, one], (index) => data.train.labels[index]!);
  const train = { images, labels };
  const augment = checkAugment({ mixup: 1 }, 'augment');
  const mixed = await augmentedImages(allOf(train), { augment, seed: 5, epoch: 0, device: 'cpu' });
  const [black, white] = [mixed.subarray(0, 784), mixed.subarray(784)];
  for (const image of [black, white]) expect(new Set(image).size).toBe(1);
  const shares = [black[0]! / 255, 1 - white[0]! / 255]; // of the other label
  expect(new Set(shares).size).toBe(2);
  for (const share of shares) expect(share).toBeGreaterThan(0.01);

  const options = {
    ...{ data: { ...data, train }, learningRate: 0, epochs: 1, batchSize: 2, seed: 5 },
    normalize: { mean: [0.5], std: [0.5] },
  };
  // One image with one label at a time, in the network that the seed gives; its pixels are rounded.
  const lossOf = async (image: Float32Array, label: number) => {
    const pixels = Uint8Array.from([...image, ...image], Math.round);
    const alone = { images: { data: pixels, shape }, labels: Int32Array.of(label, label) };
    return (await run({ ...options, data: { ...data, train: alone } })).losses[0]!;
  };
  const [first, second] = [labels[0]!, labels[1]!];
  const [own, other] = shares as [number, number];
  const expected =
    ((1 - own) * (await lossOf(black, first)) +
      own * (await lossOf(black, second)) +
      (1 - other) * (await lossOf(white, second)) +
      other * (await lossOf(white, first))) /
    2;
  const [found] = (await run({ ...options, augment: { mixup: 1 } })).losses;
  const [plain] = (await run(options)).losses;
  expect(Math.abs(found! - expected)).toBeLessThan(Math.abs(plain! - expected) / 20);
});

test.each<[string, TrainOptions, string]>([
  ['center', { head: 'center', augment: { mixup: 0.2 } }, 'augment.mixup'],
  ['pedcc', { head: 'pedcc', augment: { cutmix: 1 } }, 'augment.cutmix'],
  ['scaled-bn', { head: 'scaled-bn', augment: { mixup: 0.2 } }, 'augment.mixup'],
  [
    'a logit normaliser',
    { head: 'arcface', logitNormalizer: 'scaled-bn', augment: { mixup: 0.2 } },
    'augment.mixup',
  ],
  ['an auxiliary', { head: 'arcface', auxiliary: 'center', augment: { mixup: 0.2 } }, 'augment.mixup'],
])('%s takes one label: mixed images are refused', async (_, options, name) => {
  const error = await refusal(() => run(options));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(name) });
  expect(error).toMatchObject({ message: expect.stringContaining('Expected no value beside') });
});

test('what the images do not allow is refused before anything is allocated', async () => {
  const error = await refusal(() => run({ augment: { crop: 28 } }));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('augment.crop') });
});
