import { checkInteger, checkKeys, checkObject } from '../base/check.js';
import { copyOf } from '../base/copy.js';
import { invalidOption } from '../base/errors.js';
import type { LayerDescription } from './layers.js';

/** A network as plain data. The output of the last layer is the embedding; the head is not part of a network. */
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
 * A copy of a description whose outer form is right. Its layers are checked in native code, which names the one that is
 * wrong.
 */
export function checkModel(value: unknown, option: string): ModelDescription {
  const given = checkObject(value, option, 'a model, such as models.seedCnn(),');
  checkKeys(given, ['name', 'layers', 'input'], `${option}.`);
  const { name, layers, input } = given;
  if (typeof name !== 'string') throw invalidOption(`${option}.name`, 'a string', name);
  if (!Array.isArray(layers) || layers.length === 0) {
    throw invalidOption(`${option}.layers`, 'a list of one or more layers', layers);
  }
  layers.forEach((layer, index) => {
    checkObject(layer, `${option}.layers[${index}]`, 'a layer, such as relu(),');
  });
  const own = { name, layers: copyOf(layers as LayerDescription[]) };
  if (input === undefined) return own;
  if (!Array.isArray(input) || input.length !== 3) throw invalidOption(`${option}.input`, '[H, W, C]', input);
  const [H, W, C] = input.map((size, axis) => checkInteger(size, `${option}.input[${axis}]`, { min: 1 }));
  return { ...own, input: [H!, W!, C!] };
}
