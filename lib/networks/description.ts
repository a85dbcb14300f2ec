import { checkInteger, checkKeys, checkObject, checkPath } from '../base/check.js';
import { copyOf } from '../base/copy.js';
import { invalidOption } from '../base/errors.js';
import type { Init } from './init.js';
import type { LayerDescription } from './layers.js';

/**
 * A network as plain data. The output of the last layer is the embedding; the head is not part of a network. What need
 * not be given may be null, as JSON has it: here and in layers.
 */
export interface ModelDescription {
  readonly name: string;
  readonly layers: readonly LayerDescription[];
  /** [H, W, C] where the network fits only one size of images; otherwise the data decides. */
  readonly input?: readonly [H: number, W: number, C: number];
  /** How the weights of layers start that have no `init` of their own. Default 'fanInUniform' */
  readonly init?: Init;
  /**
   * A safetensors file whose weights the network begins with: one of margincore's, or a PyTorch state dict whose layers are called as
   * these, as torchvision's and timm's ResNets are. Layers that it does not have start by `init`; which they are, and what
   * of the file is left over, is a note of the run. The head is always new. Default: none
   */
  readonly weights?: string;
}

/** A network of one layer after another. Its shapes, and `init`, are checked when its first input is known. */
export function sequential(
  layers: readonly LayerDescription[],
  options: Partial<Omit<ModelDescription, 'layers'>> = {},
): ModelDescription {
  const given = checkObject(options, 'options', 'an object of name, input, init and weights');
  checkKeys(given, ['name', 'input', 'init', 'weights']);
  return checkModel({ name: 'sequential', ...given, layers }, 'sequential');
}

/**
 * A copy of a description whose outer form is right. Its layers and `init` are checked in native code, which names what is
 * wrong.
 */
export function checkModel(value: unknown, option: string): ModelDescription {
  const given = checkObject(value, option, 'a model, such as models.seedCnn(),');
  checkKeys(given, ['name', 'layers', 'input', 'init', 'weights'], `${option}.`);
  const { name, layers, input } = given;
  const weights = given.weights == null ? {} : { weights: checkPath(given.weights, `${option}.weights`) };
  const init = given.init == null ? {} : { init: copyOf(given.init as Init, `${option}.init`) };
  if (typeof name !== 'string') throw invalidOption(`${option}.name`, 'a string', name);
  if (!Array.isArray(layers) || layers.length === 0) {
    throw invalidOption(`${option}.layers`, 'a list of one or more layers', layers);
  }
  layers.forEach((layer, index) => {
    checkObject(layer, `${option}.layers[${index}]`, 'a layer, such as relu(),');
  });
  const own = { name, layers: copyOf(layers as LayerDescription[], `${option}.layers`), ...init, ...weights };
  if (input == null) return own;
  if (!Array.isArray(input) || input.length !== 3) throw invalidOption(`${option}.input`, '[H, W, C]', input);
  const [H, W, C] = input.map((size, axis) => checkInteger(size, `${option}.input[${axis}]`, { min: 1 }));
  return { ...own, input: [H!, W!, C!] };
}
