import type { ModelDescription } from './description.js';
import { checkModelOptions, EMBEDDING_OPTIONS, type EmbeddingOptions, startingFrom } from './imageModel.js';
import { conv2d, linear, maxPool2d, prelu } from './layers.js';
import { nameOfWidth, widened } from './width.js';

/**
 * LeNet++, with which margins are drawn in the plane (Liu et al. 2016, table 1 and figure 2; Wen et al. 2016, table 1):
 * pairs of 5×5 convolutions to 32, 64 and 128 channels with PReLU, a 2×2 max pool after each pair, and a linear layer to
 * the embedding (default 2, whatever the width). MNIST's 28×28 → 14 → 7 → 3×3×128. All layers start as in Wen et al.'s public files: Caffe's
 * xavier.
 */
export function lenetPlusPlus(options: EmbeddingOptions = {}): ModelDescription {
  const { embeddingSize = 2, weights, width } = checkModelOptions(options, EMBEDDING_OPTIONS);
  return {
    name: nameOfWidth('lenetPlusPlus', width),
    ...startingFrom(weights),
    init: 'lecunUniform',
    layers: [
      ...[32, 64, 128].flatMap((channels, index) => [
        ...[1, 2].flatMap((number) => [
          conv2d({
            name: `conv${index + 1}_${number}`,
            outChannels: widened(channels, width),
            kernelSize: 5,
            padding: 2,
          }),
          prelu({ name: `prelu${index + 1}_${number}` }),
        ]),
        maxPool2d({ name: `pool${index + 1}`, kernelSize: 2 }),
      ]),
      linear({ name: 'embedding', outFeatures: embeddingSize }),
    ],
  };
}
