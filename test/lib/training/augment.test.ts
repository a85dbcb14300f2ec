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

test('the number of threads changes no bit', async () => {
  const augment = checkAugment(EVERYTHING, 'augment');
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

test('what the images do not allow is refused before anything is allocated', async () => {
  const error = await refusal(() => run({ augment: { crop: 28 } }));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('augment.crop') });
});
