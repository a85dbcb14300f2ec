/** The network, said in flags. */

import { MarginCoreError } from '../../base/errors.js';
import { type Notation, word } from '../../base/notation.js';
import { type DataInput, type DataPath, LoadingProgress, resolveData } from '../../data/index.js';
import { checkPreprocessing } from '../../data/preprocessing.js';
import { IMAGE_MODEL_OPTIONS, IMAGE_SIZES } from '../../networks/imageModel.js';
import {
  type EmbeddingOptions,
  type ImageModelOptions,
  type ModelDescription,
  models,
} from '../../networks/index.js';
import { VGG_IMAGE_SIZES } from '../../networks/vgg.js';
import { showing } from '../../report/progress/stageLine.js';
import { type Flag, UsageError } from '../arguments.js';
import { flagsOf } from '../flags.js';

export interface NetworkFlags extends EmbeddingOptions {
  name?: string;
  imageSize?: number;
}

/** Networks that have variants for sizes of images. */
const SIZED = ['vgg11', 'vgg16', 'resnet18', 'resnet34', 'resnet50', 'resnext50', 'densenet121'] as const;

/** The others. */
const PLAIN: Readonly<Record<string, (options: EmbeddingOptions) => ModelDescription>> = {
  seedCnn: models.seedCnn,
  lenetPlusPlus: models.lenetPlusPlus,
  'lSoftmaxNet-mnist': (options) => models.lSoftmaxNet({ ...options, dataset: 'mnist' }),
  'lSoftmaxNet-cifar10': (options) => models.lSoftmaxNet({ ...options, dataset: 'cifar10' }),
  'lSoftmaxNet-cifar100': (options) => models.lSoftmaxNet({ ...options, dataset: 'cifar100' }),
};

export const MODEL_WORDS: readonly string[] = [...Object.keys(PLAIN), ...SIZED];

/** Several. */
export const MODELS_NOTATION: Notation = {
  form: `${MODEL_WORDS[0]},${MODEL_WORDS.at(-1)},…`,
  parse(given) {
    const all = given.split(',').map((name) => name.trim());
    return all.every((name) => MODEL_WORDS.includes(name)) ? all : undefined;
  },
};

const { imageSize, embeddingSize, weights, width } = IMAGE_MODEL_OPTIONS;

export const NETWORK_FLAGS: readonly Flag[] = [
  { name: 'model', to: 'model.name', value: word(MODEL_WORDS), help: 'the network (default: seedCnn)' },
  ...flagsOf(
    {
      imageSize: { ...imageSize, defaultText: 'as the images are' },
      embeddingSize: { ...embeddingSize, defaultText: "the network's own, of seedCnn 1024" },
      weights,
      width,
    },
    { to: 'model.' },
  ),
];

/**
 * The options `model` and `data`. A network with variants and no `--image-size` takes its variant from the data, which
 * is then loaded here. Throws SHAPE_MISMATCH where it is made for no such.
 */
export async function networkOptions(
  { name = 'seedCnn', imageSize, ...options }: NetworkFlags,
  data: string | DataPath | undefined,
  preprocessing: unknown,
): Promise<{ model: ModelDescription; data?: string | DataPath | DataInput }> {
  const given = data === undefined ? {} : { data };
  const sized = SIZED.find((each) => each === name);
  if (sized === undefined) {
    if (imageSize !== undefined) throw new UsageError(`--image-size needs --model ${SIZED.join('|')}`);
    return { ...given, model: PLAIN[name]!(options) };
  }
  if (imageSize !== undefined) {
    return { ...given, model: models[sized]({ ...options, imageSize } as ImageModelOptions) };
  }
  const progress = new LoadingProgress();
  const loading = {
    progress,
    ...(preprocessing !== undefined && { preprocessing: checkPreprocessing(preprocessing, 'preprocessing') }),
  };
  const dataset = await showing('reading pictures', resolveData(data, loading), () => progress.fraction);
  const [, H, W] = dataset.train.images.shape;
  const size = Math.min(H, W);
  const { min, max } = sized === 'vgg11' || sized === 'vgg16' ? VGG_IMAGE_SIZES : IMAGE_SIZES;
  if (size < min || size > max) {
    throw new MarginCoreError(
      'SHAPE_MISMATCH',
      `${name} is made for images of ${min}×${min} to ${max}×${max}, and these are ${H}×${W}`,
    );
  }
  return { data: dataset, model: models[sized]({ ...options, imageSize: size }) };
}
