/** Networks as plain data. The output of the last layer is the embedding; the head is not part of a network. */
import { checkInteger, checkObject } from '../check.js';
import { invalidOption } from '../errors.js';
import { conv2d, type LayerDescription, linear, maxPool2d, relu } from './layers.js';

export interface ModelDescription {
  readonly name: string;
  readonly layers: readonly LayerDescription[];
  /** [H, W, C] where the network fits only one size of images; otherwise the data decides. */
  readonly input?: readonly [H: number, W: number, C: number];
}

/** A network of one layer after another. Its shapes are checked when its first input is known. */
export function sequential(
  layers: readonly LayerDescription[],
  options: { name?: string; input?: readonly [number, number, number] } = {},
): ModelDescription {
  return checkModel({ name: 'sequential', layers, ...options }, 'sequential');
}

/**
 * A small CNN for images such as MNIST's: conv 5×5 to 32 channels, ReLU, max pool 2, conv 3×3 to 64 channels, ReLU,
 * max pool 2, and a linear layer without activation to the embedding.
 */
function seedCnn({ embeddingSize = 1024 }: { embeddingSize?: number } = {}): ModelDescription {
  checkInteger(embeddingSize, 'embeddingSize', { min: 1 });
  return {
    name: 'seedCnn',
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

/** Ready-made networks. */
export const models = { seedCnn } as const;

/** Checks the outer form of a description; its layers are checked in native code, which names the one that is wrong. */
export function checkModel(value: unknown, option: string): ModelDescription {
  const { name, layers, input } = checkObject(value, option, 'a model, such as models.seedCnn(),');
  if (typeof name !== 'string') throw invalidOption(`${option}.name`, 'a string', name);
  if (!Array.isArray(layers) || layers.length === 0) {
    throw invalidOption(`${option}.layers`, 'a list of one or more layers', layers);
  }
  layers.forEach((layer, index) => {
    checkObject(layer, `${option}.layers[${index}]`, 'a layer, such as relu(),');
  });
  if (input === undefined) return { name, layers };
  if (!Array.isArray(input) || input.length !== 3) throw invalidOption(`${option}.input`, '[H, W, C]', input);
  const [H, W, C] = input.map((size, axis) => checkInteger(size, `${option}.input[${axis}]`, { min: 1 }));
  return { name, layers, input: [H!, W!, C!] };
}
