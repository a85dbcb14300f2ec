/** `margincore augment` as a process of its own. */
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { checkAugment } from '../../../lib/data/augment.js';
import { allOf, spreadOf } from '../../../lib/data/samples.js';
import { datasets } from '../../../lib/index.js';
import { augmentedImages } from '../../../lib/report/augmentedPicture.js';
import { margincore } from '../../support/margincore.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

test('writes a picture of the images as steps of that epoch see them', async () => {
  const output = inFolder('augmented.png');
  const args = ['--augment', 'crop=4,flip,rotate=10', '--count', '10', '--seed', '3', '--epoch', '2'];
  expect(
    await margincore(['augment', '--data', 'fashion-mnist-sample', ...args, '--output', output]),
  ).toEqual({
    status: 0,
    stdout: `10 training images of epoch 2 in ${output}\n`,
    stderr: '',
  });
  const { data, info } = await sharp(readFileSync(output))
    .extractChannel(0)
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect(info).toMatchObject({ width: 4 * 58 + 2, height: 3 * 58 + 2, channels: 1 });

  const { train } = await datasets.fashionMnistSample();
  const augment = checkAugment({ crop: 4, flip: true, rotate: 10 }, 'augment');
  const samples = spreadOf(allOf(train), 10);
  const images = await augmentedImages(samples, { augment, seed: 3, epoch: 1, device: 'cpu' });
  const image = 6; // third of the second row; each pixel is a square of four
  const [left, top] = [2 + 2 * 58, 2 + 58];
  const shown = Array.from({ length: 28 * 28 }, (_, at) => {
    const [x, y] = [left + 2 * (at % 28) + 1, top + 2 * Math.floor(at / 28) + 1];
    return data[y * info.width + x];
  });
  expect(shown).toEqual(Array.from(images.subarray(image * 784, (image + 1) * 784), Math.round));
});

test('a change that there is not is refused', async () => {
  const { status, stderr } = await margincore(['augment', '--augment', 'cifra']);
  expect(status).toBe(2);
  expect(stderr).toContain("Did you mean 'cifar'?");
});
