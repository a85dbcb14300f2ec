/**
 * Networks for programs without JavaScript (network_file.h): a line for each layer, as a job's fields. The files in
 * networks/ are made from the models' own descriptions, so that a network is described once.
 */
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { type LayerDescription, models } from '../../lib/index.js';
import { GRAPHS } from '../parity/graphs.js';

export const FOLDER = join(packageRoot(), 'test/gpu/networks');

type Size = readonly [H: number, W: number, C: number];
type Fields = Record<string, string | number | boolean | readonly number[] | undefined>;

/** The network's input. */
const IMAGE = -1;

/** A file's name and text. */
export function networkFiles(): [name: string, text: string][] {
  const networks: [name: string, input: Size, layers: readonly LayerDescription[]][] = [
    ['graph-resnet', [28, 28, 1], GRAPHS.resnet],
    ['graph-densenet', [28, 28, 1], GRAPHS.densenet],
    ['graph-resnext', [28, 28, 1], GRAPHS.resnext],
    ['resnet18-32', [32, 32, 3], models.resnet18({ imageSize: 32 }).layers],
    ['resnet50-64', [64, 64, 3], models.resnet50({ imageSize: 64 }).layers],
  ];
  return networks.map(([name, input, layers]) => [`${name}.tsv`, networkText(input, layers)]);
}

function networkText(input: Size, layers: readonly LayerDescription[]): string {
  const lines = [line('input', { size: input })];
  append(lines, layers, IMAGE);
  return `${lines.join('\n')}\n`;
}

/** Adds layers that follow `input`; returns where their output is. */
function append(lines: string[], layers: readonly LayerDescription[], input: number): number {
  return layers.reduce((previous, layer) => {
    lines.push(line(...fieldsOf(lines, layer, previous)));
    return lines.length - 2; // without the line of the input
  }, input);
}

/** A layer's fields, after the lines of those inside it. */
function fieldsOf(lines: string[], layer: LayerDescription, input: number): [type: string, fields: Fields] {
  if (layer.type === 'residual') {
    const { body, shortcut = [], type, ...fields } = layer;
    return ['add', { ...fields, inputs: [append(lines, body, input), append(lines, shortcut, input)] }];
  }
  if (layer.type === 'concat') {
    const { branches, type, ...fields } = layer;
    return [type, { ...fields, inputs: branches.map((branch) => append(lines, branch, input)) }];
  }
  const { type, ...fields } = layer;
  return [type, { ...fields, inputs: [input] }];
}

const line = (type: string, fields: Fields) =>
  [type, ...Object.entries(fields).map(([name, value]) => `${name}=${fieldText(value)}`)].join('\t');

const fieldText = (value: Fields[string]) => (typeof value === 'boolean' ? Number(value) : String(value));
