/** Exported models under onnxruntime answer what they answer here. */

import type { ImageSize } from '../../../lib/data/imageSize.js';
import { HEAD_NAMES } from '../../../lib/heads/resolve.js';
import {
  type HeadOptions,
  type ImageArray,
  type Model,
  type ModelDescription,
  models,
} from '../../../lib/index.js';
import { type OnnxInput, OnnxRuntime } from '../../support/onnxRuntime.js';
import { randomImages, randomModel } from '../../support/randomModel.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

let runtime: OnnxRuntime;

beforeAll(() => {
  runtime = new OnnxRuntime();
});

afterAll(() => runtime.close());

const SMALL: ImageSize = [32, 32, 3];
/** Narrow, but for one whose tensors are written in several pieces: 143 models are made. */
const FAMILIES: [string, ModelDescription, ImageSize][] = [
  ['seedCnn', models.seedCnn({ embeddingSize: 16 }), [28, 28, 1]],
  ['lenetPlusPlus', models.lenetPlusPlus({ embeddingSize: 3 }), [28, 28, 1]],
  ['lSoftmaxNet for MNIST', models.lSoftmaxNet({ dataset: 'mnist', width: 0.5 }), [28, 28, 1]],
  ['lSoftmaxNet for CIFAR', models.lSoftmaxNet({ dataset: 'cifar10', width: 0.5 }), SMALL],
  ['vgg11', models.vgg11({ imageSize: 32, width: 0.25 }), SMALL],
  ['vgg16', models.vgg16({ imageSize: 32, width: 0.25, embeddingSize: 16 }), SMALL],
  ['resnet18', models.resnet18({ imageSize: 32 }), SMALL],
  ['resnet18 for ImageNet', models.resnet18({ imageSize: 128, width: 0.25 }), [128, 128, 3]],
  ['resnet50', models.resnet50({ imageSize: 32, width: 0.25, embeddingSize: 16 }), SMALL],
  ['resnext50', models.resnext50({ imageSize: 32, width: 0.25 }), SMALL],
  ['densenet121', models.densenet121({ imageSize: 32, width: 0.25 }), SMALL],
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

/** What a file takes: bytes (N, H, W, C), or the same images normalised, (N, C, H, W). */
function asInput({ data, shape }: ImageArray, type: 'uint8' | 'float', model: Model): OnnxInput {
  if (type === 'uint8') return { type, data, shape };
  const [N, H, W, C] = shape;
  const { mean, std } = model.normalization;
  const values = Float32Array.from(data, (_, index) => {
    const pixel = index % (H * W);
    const c = Math.floor(index / (H * W)) % C;
    const image = Math.floor(index / (H * W * C));
    return (data[(image * H * W + pixel) * C + c]! / 255 - mean[c]!) / std[c]!;
  });
  return { type: 'float32', data: values, shape: [N, C, H, W] };
}

const COUNTS = [1, 7];

async function expectEqualAnswers(
  model: Model,
  options: { fold?: boolean; normalize?: boolean } = {},
): Promise<void> {
  const { normalize } = options;
  const batches = COUNTS.map((count) => randomImages(count, model.input));
  for (const input of ['uint8', 'float'] as const) {
    const path = inFolder(`${input}.onnx`);
    await model.exportOnnx(path, { input, ...options });
    const answers = await runtime.run(
      path,
      batches.map((images) => asInput(images, input, model)),
    );
    for (const [index, { embedding, probabilities }] of answers.entries()) {
      const predicted = await model.predict(batches[index]!);
      const embedded = await model.embed(batches[index]!, { ...(normalize !== undefined && { normalize }) });
      expect(distance(probabilities!.data, predicted.probabilities)).toBeLessThan(1e-4);
      expect(distance(embedding!.data, embedded.data)).toBeLessThan(1e-4);
      expect(embedding!.dims).toEqual(embedded.shape);
    }
  }
}

const HEADS: HeadOptions[] = HEAD_NAMES.map((head) => ({ head }) as HeadOptions);

describe.each(FAMILIES)('%s', (_, network, input) => {
  test.each(HEADS)('with the head $head', async (head) => {
    using model = await randomModel(network, input, head);
    await expectEqualAnswers(model);
  });

  test.each<HeadOptions>([{ head: 'scaled-bn' }, { head: 'arcface' }])(
    'folded, with the head $head',
    async (head) => {
      using model = await randomModel(network, input, head);
      await expectEqualAnswers(model, { fold: true });
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
  for (const fold of [false, true]) await expectEqualAnswers(model, { fold });
});
