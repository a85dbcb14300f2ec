import type { ModelDescription } from './description.js';
import { checkModelOptions, EMBEDDING_OPTIONS, type EmbeddingOptions, startingFrom } from './imageModel.js';
import { conv2d, linear, maxPool2d, relu } from './layers.js';

/**
 * A small CNN for images such as MNIST's: conv 5×5 to 32 channels, ReLU, max pool 2, conv 3×3 to 64 channels, ReLU,
 * max pool 2, and a linear layer without activation to the embedding (default 1024). Weights start as those of PyTorch's
 * layers ('fanInUniform'), with which it reaches 1 point more on Fashion-MNIST than He-normal.
 */
export function seedCnn(options: EmbeddingOptions = {}): ModelDescription {
  const { embeddingSize = 1024, weights } = checkModelOptions(options, EMBEDDING_OPTIONS);
  return {
    name: 'seedCnn',
    ...startingFrom(weights),
    layers: [
      conv2d({ name: 'conv1', outChannels: 32, kernelSize: 5 }),
      relu(),
      maxPool2d({ kernelSize: 2 }),
      conv2d({ name: 'conv2', outChannels: 64, kernelSize: 3 }),
      relu(),
      maxPool2d({ kernelSize: 2 }),
      linear({ name: 'embedding', outFeatures: embeddingSize }),
    ],
  };
}
