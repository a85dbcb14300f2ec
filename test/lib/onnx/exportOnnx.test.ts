/** Exported models under onnxruntime answer what they answer here. */

import type { ImageSize } from '../../../lib/data/imageSize.js';
import { HEAD_NAMES } from '../../../lib/heads/resolve.js';
import { type HeadOptions, type Model, type ModelDescription, models } from '../../../lib/index.js';
import { OnnxRuntime } from '../../support/onnxRuntime.js';
import { randomImages, randomModel } from '../../support/randomModel.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

let runtime: OnnxRuntime;

beforeAll(() => {
  runtime = new OnnxRuntime();
});

afterAll(() => runtime.close());

const SMALL: ImageSize = [32, 32, 3];
const FAMILIES: [string, ModelDescription, ImageSize][] = [
  ['seedCnn', models.seedCnn({ embeddingSize: 16 }), [28, 28, 1]],
  ['lenetPlusPlus', models.lenetPlusPlus({ embeddingSize: 3 }), [28, 28, 1]],
  ['lSoftmaxNet for MNIST', models.lSoftmaxNet({ dataset: 'mnist' }), [28, 28, 1]],
  ['lSoftmaxNet for CIFAR', models.lSoftmaxNet({ dataset: 'cifar10' }), SMALL],
  ['vgg11', models.vgg11({ imageSize: 32 }), SMALL],
  ['vgg16', models.vgg16({ imageSize: 32, embeddingSize: 16 }), SMALL],
  ['resnet18', models.resnet18({ imageSize: 32 }), SMALL],
  ['resnet18 for ImageNet', models.resnet18({ imageSize: 128 }), [128, 128, 3]],
  ['resnet50', models.resnet50({ imageSize: 32, embeddingSize: 16 }), SMALL],
  ['resnext50', models.resnext50({ imageSize: 32 }), SMALL],
  ['densenet121', models.densenet121({ imageSize: 32 }), SMALL],
];

/** Largest difference, relative to the largest value where that is above 1. */
function distance(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let most = 0;
  let largest = 1;
  for (let i = 0; i < expected.length; i++) {
    most = Math.max(most, Math.abs(found[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return found.length === expected.length ? most / largest : Number.POSITIVE_INFINITY;
}

async function expectEqualAnswers(
  model: Model,
  path: string,
  options: { normalize?: boolean } = {},
): Promise<void> {
  for (const count of [1, 7]) {
    const images = randomImages(count, model.input);
    const { embedding, probabilities } = await runtime.run(path, {
      ...{ name: 'images', type: 'uint8', data: images.data, shape: images.shape },
    });
    const predicted = await model.predict(images);
    const embedded = await model.embed(images, options);
    expect(distance(probabilities!.data, predicted.probabilities)).toBeLessThan(1e-4);
    expect(distance(embedding!.data, embedded.data)).toBeLessThan(1e-4);
    expect(embedding!.dims).toEqual(embedded.shape);
  }
}

const HEADS: HeadOptions[] = HEAD_NAMES.map((head) => ({ head }) as HeadOptions);

describe.each(FAMILIES)('%s', (_, network, input) => {
  test.each(HEADS)('with the head $head', async (head) => {
    using model = await randomModel(network, input, head);
    const path = inFolder('model.onnx');
    await model.exportOnnx(path);
    await expectEqualAnswers(model, path);
  });

  test.each<HeadOptions>([{ head: 'scaled-bn' }, { head: 'arcface' }])(
    'folded, with the head $head',
    async (head) => {
      using model = await randomModel(network, input, head);
      const path = inFolder('model.onnx');
      await model.exportOnnx(path, { fold: true });
      await expectEqualAnswers(model, path);
    },
  );
});

test.each<HeadOptions>([
  { head: 'softmax', bias: false },
  { head: 'l2-softmax', alpha: { learn: true, init: 9 } },
  { head: 'l2-softmax', l2Scope: 'batch' },
  { head: 'normface', s: { learn: true, init: 9 } },
  { head: 'arcface', logitNormalizer: { type: 'scaled-bn', m: 3 } } as HeadOptions,
  { head: 'softmax', auxiliary: 'center' },
])('%j', async (head) => {
  using model = await randomModel(models.seedCnn({ embeddingSize: 8 }), [28, 28, 1], head);
  for (const fold of [false, true]) {
    const path = inFolder(`model ${fold}.onnx`);
    await model.exportOnnx(path, { fold });
    await expectEqualAnswers(model, path);
  }
});
