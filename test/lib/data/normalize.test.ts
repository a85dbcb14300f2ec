/** Normalisation by name: the values that others publish, and which images they are for. */
import { checkNormalize, resolveNormalize } from '../../../lib/data/normalize.js';
import { allOf } from '../../../lib/data/samples.js';
import { type Normalize, type TrainOptions, train } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

/** One image of so many channels. */
const samples = (channels: number) =>
  allOf({ images: { data: new Uint8Array(channels), shape: [1, 1, 1, channels] }, labels: Int32Array.of(0) });

const resolved = (normalize: Normalize, channels: number) =>
  resolveNormalize(checkNormalize(normalize, 'normalize'), samples(channels));

/** In units of 0…255, as other code has them: mmcv's of ImageNet, Zagoruyko's of CIFAR, PyTorch's measured MNIST. */
test.each([
  ['imagenet', [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]],
  ['cifar10', [125.3, 123.0, 113.9], [63.0, 62.1, 66.7]],
  ['cifar100', [129.3, 124.1, 112.4], [68.2, 65.4, 70.4]],
  ['mnist', [33.3184], [78.5675]],
] as const)('%s', async (name, mean, std) => {
  const values = await resolved(name, mean.length);
  for (const [found, expected] of [
    [values.mean, mean],
    [values.std, std],
  ] as const) {
    expect(found).toHaveLength(expected.length);
    // Both are rounded, to tenths of 255ths and to 1e-4.
    for (const [channel, each] of found.entries()) {
      expect(Math.abs(each * 255 - expected[channel]!)).toBeLessThan(0.065);
    }
  }
});

test.each([
  [
    'imagenet',
    1,
    'Expected a rule for images of 1 channel for normalize but received "imagenet" of type string. ' +
      "It is for 3 channels. 'dataset', 'unit', 'mnist' and { mean, std } fit",
  ],
  [
    'cifar10',
    4,
    "images of 4 channels for normalize but received \"cifar10\" of type string. It is for 3 channels. 'dataset', 'unit' and { mean, std } fit",
  ],
  [
    'mnist',
    3,
    "It is for 1 channel. 'dataset', 'unit', 'imagenet', 'cifar10', 'cifar100' and { mean, std } fit",
  ],
] as const)('%s for images of %d channels is refused', async (name, channels, message) => {
  const error = await refusal(() => resolved(name, channels));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option: 'normalize' } });
  expect(error.message).toContain(message);
});

test('a name trains as its numbers do', async () => {
  const data = await sample(60, 20);
  const run = async (normalize: Normalize) => {
    const options: TrainOptions = { data, model: tinyModel, epochs: 1, batchSize: 20, normalize };
    const {
      model,
      history,
      options: inForce,
    } = await train({ ...options, device: 'cpu', deterministic: true });
    model.dispose();
    return { loss: history[0]!.loss, normalize: inForce.normalize };
  };
  const named = await run('mnist');
  expect(named).toEqual(await run({ mean: [0.1307], std: [0.3081] }));
  expect(named.loss).not.toBe((await run('unit')).loss);
  expect(named.normalize).toEqual({ mean: [Math.fround(0.1307)], std: [Math.fround(0.3081)] });
});
