import {
  type Augment,
  type AugmentPolicy,
  checkAugment,
  nativeAugmentation,
  requireAugmentable,
} from '../../../lib/data/augment.js';
import { native } from '../../../lib/native/load.js';
import { refusal } from '../../support/refusal.js';

const check = (value: unknown) => checkAugment(value, 'augment');

test.each<[AugmentPolicy, Augment]>([
  ['none', {}],
  ['cifar', { crop: 4, flip: true }],
  ['faces', { flip: true, translate: 0.04, rotate: 5, scale: [0.95, 1.05] }],
  ['imagenet', { resizedCrop: [0.08, 1], flip: true, brightness: 0.2, contrast: 0.2, saturation: 0.2 }],
])('%s is a name for its changes', (policy, changes) => {
  expect(check(policy)).toEqual(changes);
  expect(check(changes)).toEqual(changes);
});

test('what changes nothing is left out, so that equal ones look equal', () => {
  expect(check({ crop: 0, flip: false, scale: [1, 1], eraseArea: [0.02, 0.33], rotate: undefined })).toEqual(
    {},
  );
});

test.each<[unknown, string]>([
  [
    'cifra',
    `Expected one of 'none', 'cifar', 'imagenet', 'faces' for augment but received "cifra" of type string. Did you mean 'cifar'?`,
  ],
  [
    true,
    "Expected 'none', 'cifar', 'imagenet', 'faces' or an object of options for augment but received true of type boolean",
  ],
  [
    { croop: 4 },
    "Expected no value (there is no such option) for augment.croop but received 4 of type number. Did you mean 'crop'?",
  ],
  [{ crop: 1.5 }, 'Expected a whole number of at least 0 for augment.crop'],
  [{ crop: -1 }, 'Expected a whole number of at least 0 for augment.crop'],
  [{ flip: 'random' }, "Expected true, false or 'alternating' for augment.flip"],
  [{ crop: 2, padding: 'edge' }, "Expected one of 'zero', 'reflect' for augment.padding"],
  [{ resizedCrop: [0, 1] }, 'Expected a number in (0, 1] for augment.resizedCrop[0]'],
  [{ resizedCrop: [0.5, 1.1] }, 'Expected a number in (0, 1] for augment.resizedCrop[1]'],
  [{ resizedCrop: 0.5 }, 'Expected 2 numbers for augment.resizedCrop'],
  [{ scale: [1.2, 0.8] }, 'Expected [least, most] for augment.scale'],
  [{ rotate: 181 }, 'Expected a number in [0, 180] for augment.rotate'],
  [{ shear: 90 }, 'Expected a number in [0, 90) for augment.shear'],
  [{ mixup: -0.1 }, 'Expected a number of at least 0 for augment.mixup but received -0.1 of type number'],
  [{ cutmix: '1' }, 'Expected a number of at least 0 for augment.cutmix but received "1" of type string'],
  [{ mixup: Number.POSITIVE_INFINITY }, 'Expected a number of at least 0 for augment.mixup'],
  [{ mixUp: 1 }, "Did you mean 'mixup'?"],
  [{ erase: 1.5 }, 'Expected a number in [0, 1] for augment.erase'],
  [{ crop: 4, resizedCrop: [0.5, 1] }, 'Expected no value beside crop for augment.resizedCrop'],
  [
    { padding: 'reflect' },
    'Expected no value without crop, rotate, translate, scale, shear for augment.padding',
  ],
  [{ cropRatio: [1, 1] }, 'Expected no value without resizedCrop for augment.cropRatio'],
  [{ eraseArea: [0.1, 0.2] }, 'Expected no value without erase for augment.eraseArea'],
])('%j is refused', async (value, message) => {
  const error = await refusal(async () => check(value));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(message) });
});

test.each<[Augment, [number, number, number], string]>([
  [
    { crop: 6 },
    [6, 9, 3],
    'Expected fewer pixels than the images have along a side (6×9) for augment.crop but received 6 of type number',
  ],
  [
    { grey: 0.5 },
    [8, 8, 4],
    'Expected no value for images of 4 channels (colours are 1 or 3) for augment.grey',
  ],
])('%j is refused for images of %j', async (value, size, message) => {
  const error = await refusal(async () => requireAugmentable(check(value), size));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(message) });
});

test('images of any number of channels may be moved, and those of one or three have colours', () => {
  requireAugmentable(check('cifar'), [8, 8, 5]);
  requireAugmentable(check('imagenet'), [8, 8, 1]);
  requireAugmentable(check('imagenet'), [8, 8, 3]);
});

test('the core takes every policy, and refuses what is out of range or unknown', async () => {
  const request = (augmentation: object) => ({
    ...{ backend: 'cpu', deviceIndex: 0, threads: 1, seed: 0, epoch: 0 },
    images: new Uint8Array(8 * 8 * 3).fill(9),
    size: Int32Array.of(8, 8, 3),
    samples: Int32Array.of(0),
    numbers: Int32Array.of(0),
    augmentation: augmentation as ReturnType<typeof nativeAugmentation>,
    mean: new Float32Array(3),
    std: new Float32Array(3).fill(1),
  });
  for (const policy of ['none', 'cifar', 'imagenet', 'faces']) {
    const values = await native().changedImages(request(nativeAugmentation(check(policy))));
    expect(values).toHaveLength(8 * 8 * 3);
  }
  const none = nativeAugmentation(check('none'));
  for (const [wrong, message] of [
    [{ ...none, rotate: 181 }, /rotate in \[0, 180\]/],
    [{ ...none, areaLeast: 0.5, areaMost: 0.4 }, /area from least to most/],
    [{ ...none, turn: 1 }, /turn/],
    [{ ...none, flip: 'sometimes' }, /flip/],
  ] as const) {
    expect(() => native().changedImages(request(wrong))).toThrow(message);
  }
  const other = { ...request(none), samples: Int32Array.of(1) };
  await expect(native().changedImages(other)).rejects.toMatchObject({ code: 'INVALID_DATA' });
});
