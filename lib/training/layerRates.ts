/** Which layers are trained, and at which part of the learning rate: the names that a user gave, brought to the layers of a network. */
import { checkNumber, checkObject, checkText, didYouMean } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import type { LayerSummary } from '../native/contract.js';

/** Factors of the learning rate by the name of a layer, or the beginning of names. */
export type LayerRates = Readonly<Record<string, number>>;

/** A layer, as far as its name matters. */
type Named = Pick<LayerSummary, 'name' | 'parameters'>;

/** Stands for every layer. */
const ALL = 'all';

const EXPECTED = `the name of a layer, the beginning of names up to a dot, or '${ALL}'`;
const WITH_PARAMETERS = 'a layer with parameters';

export function checkFreeze(value: unknown, option: string): readonly string[] {
  const names = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(names)) throw invalidOption(option, `${EXPECTED}, or several`, value);
  return [...new Set(names.map((name, index) => checkText(name, `${option}[${index}]`)))];
}

export function checkLayerLr(value: unknown, option: string): LayerRates {
  const given = checkObject(value, option, 'an object of factors by the names of layers');
  return Object.fromEntries(
    Object.entries(given).map(([name, rate]) => [name, checkRate(rate, `${option}.${name}`)]),
  );
}

/** As native code takes it, it must not be 0: the layer would be frozen. */
function checkRate(value: unknown, option: string): number {
  const rate = checkNumber(value, option);
  if (Math.fround(rate) > 0 && Number.isFinite(Math.fround(rate))) return rate;
  throw invalidOption(option, 'a number above 0', value, 'Layers that are not to be trained: freeze');
}

/**
 * The factor of each layer, 0 where it is frozen or has no parameters; undefined where all are 1. Throws INVALID_OPTION for a name that no layer
 * has, or that has no effect.
 */
export function layerRates(
  layers: readonly Named[],
  freeze: readonly string[],
  layerLr: LayerRates,
): Float32Array | undefined {
  const isFrozen = (layer: string) => freeze.some((name) => isOf(layer, name));
  const byLength = Object.entries(layerLr).sort(([a], [b]) => reach(b) - reach(a));
  const rateOf = (layer: string) => byLength.find(([name]) => isOf(layer, name));
  for (const name of freeze) expectParameters(layers, name, 'freeze');
  for (const [name, rate] of Object.entries(layerLr)) {
    const free = expectParameters(layers, name, 'layerLr').filter((layer) => !isFrozen(layer));
    if (free.length === 0)
      throw invalidOption(`layerLr.${name}`, 'no value (freeze has all of its layers)', rate);
    if (free.every((layer) => rateOf(layer)![0] !== name))
      throw invalidOption(`layerLr.${name}`, 'no value (longer names have all of its layers)', rate);
  }
  if (freeze.length === 0 && byLength.length === 0) return undefined;
  return Float32Array.from(layers, ({ name, parameters }) =>
    parameters === 0 || isFrozen(name) ? 0 : (rateOf(name)?.[1] ?? 1),
  );
}

/** The layers of a name that have parameters. Throws where there are none. */
function expectParameters(layers: readonly Named[], name: string, option: string): string[] {
  const named = layers.filter((layer) => isOf(layer.name, name));
  const found = named.filter(({ parameters }) => parameters > 0).map((layer) => layer.name);
  if (found.length > 0) return found;
  throw invalidOption(option, named.length > 0 ? WITH_PARAMETERS : EXPECTED, name, hintOn(name, layers));
}

const isOf = (layer: string, name: string): boolean =>
  name === ALL || layer === name || layer.startsWith(`${name}.`);

/** The further, the more it says of a layer. */
const reach = (name: string): number => (name === ALL ? 0 : name.length);

function hintOn(name: string, layers: readonly Named[]): string {
  if (name === 'head' || name.startsWith('head.')) {
    return 'The head is trained in any case, at the rate that headLr gives it';
  }
  const trained = layers.filter(({ parameters }) => parameters > 0).map((layer) => layer.name);
  const stages = new Set(trained.map((layer) => layer.split('.')[0]!));
  const guess = didYouMean(name, [...new Set(trained.flatMap(beginningsOf))]);
  return `${guess && `${guess} `}This network has ${[...stages].join(', ')}`;
}

/** 'a.b.c' → 'a', 'a.b', 'a.b.c' */
function beginningsOf(layer: string): string[] {
  const parts = layer.split('.');
  return parts.map((_, index) => parts.slice(0, index + 1).join('.'));
}
