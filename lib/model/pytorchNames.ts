/**
 * Our parameters under the names, and in the layouts, that they have in PyTorch: layers are called as in torchvision's networks,
 * convolutions are OIHW, and a linear layer that reads an image takes it channel by channel.
 */
import { fromChannelFirst, fromOihw, rowsOf, toChannelFirst, toOihw } from '../files/layouts.js';
import type { LayerSummary, NativeParameter } from '../native/contract.js';

/** One parameter here and there. */
export interface Correspondence {
  readonly ours: string;
  readonly theirs: string;
  /** There */
  readonly shape: readonly number[];
  /** The same numbers in the layout there, in pieces that follow one another. */
  toTheirs(values: Float32Array): Iterable<Float32Array>;
  toOurs(values: Float32Array): Iterable<Float32Array>;
}

export const asItIs: Pick<Correspondence, 'toTheirs' | 'toOurs'> = {
  toTheirs: (values) => [values],
  toOurs: (values) => [values],
};

const SUFFIXES: readonly (readonly [ours: string, theirs: string])[] = [
  ['.runningMean', '.running_mean'],
  ['.runningVariance', '.running_var'],
];

const HEAD = 'head.';

/** What torchvision calls the last layer, by the layer that our embedding comes from. */
const CLASSIFIERS: readonly (readonly [network: RegExp, embedding: RegExp, name: string])[] = [
  [/^resnex?t/, /^avgpool$/, 'fc'],
  [/^densenet/, /^avgpool$/, 'classifier'],
  [/^vgg/, /^classifier\.5$/, 'classifier.6'],
];

/** The name of the head's weights in PyTorch: torchvision's, where the network is one of its; otherwise 'head'. */
export function classifierName(network: string, layers: readonly LayerSummary[]): string {
  const embedding = layers.at(-1)!.name;
  const found = CLASSIFIERS.find(([name, last]) => name.test(network) && last.test(embedding))?.[2] ?? 'head';
  return layers.some(({ name }) => name === found) ? 'head' : found;
}

/** @param input [H, W, C] of the images. @param classifier What the head's weights are called there */
export function pytorchNames(
  input: readonly number[],
  layers: readonly LayerSummary[],
  parameters: readonly NativeParameter[],
  classifier: string,
): Correspondence[] {
  const shapes = new Map([['image', input], ...layers.map(({ name, output }) => [name, output] as const)]);
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  return parameters.map(({ name, shape }) => {
    const theirs = theirName(name, classifier);
    const layer = byName.get(name.slice(0, name.lastIndexOf('.')));
    if (shape.length === 4) {
      const [O, H, W, I] = shape as [number, number, number, number];
      return {
        ...{ ours: name, theirs, shape: [O, I, H, W] },
        toTheirs: (values) => rowsOf(values, O, (rows, count) => toOihw(rows, [count, H, W, I])),
        toOurs: (values) => rowsOf(values, O, (rows, count) => fromOihw(rows, [count, H, W, I])),
      };
    }
    const isOfHead = name === 'head.weight' || name === 'head.centers';
    const image = isOfHead
      ? layers.at(-1)!.output
      : layer?.type === 'linear'
        ? shapes.get(layer.inputs[0]!)
        : undefined;
    if (shape.length === 2 && image?.length === 3) {
      const [rows] = shape as [number, number];
      return {
        ...{ ours: name, theirs, shape },
        toTheirs: (values) => rowsOf(values, rows, (some, count) => toChannelFirst(some, count, image)),
        toOurs: (values) => rowsOf(values, rows, (some, count) => fromChannelFirst(some, count, image)),
      };
    }
    return { ...{ ours: name, theirs, shape }, ...asItIs };
  });
}

function theirName(name: string, classifier: string): string {
  const own =
    name === 'head.weight' || name === 'head.bias' ? `${classifier}.${name.slice(HEAD.length)}` : name;
  const suffix = SUFFIXES.find(([ours]) => own.endsWith(ours));
  return suffix === undefined ? own : own.slice(0, -suffix[0].length) + suffix[1];
}
