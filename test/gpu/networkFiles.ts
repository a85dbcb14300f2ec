/**
 * Networks for programs without JavaScript (network_file.h): a line for each layer, as a job's fields. The files in
 * networks/ are made from the models' own descriptions, so that a network is described once.
 */
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { type LayerDescription, type ModelDescription, models } from '../../lib/index.js';
import { native } from '../../lib/native/load.js';
import { GRAPHS } from '../parity/graphs.js';

export const FOLDER = join(packageRoot(), 'test/gpu/networks');

type Size = readonly [H: number, W: number, C: number];
type Field = string | number | boolean | readonly number[] | { readonly std: number };
type Fields = Record<string, Field>;
type Described = Pick<ModelDescription, 'layers' | 'init'>;

/** The network's input. */
const IMAGE = -1;

/** A file's name and text. */
export function networkFiles(): [name: string, text: string][] {
  const networks: [name: string, input: Size, network: Described][] = [
    ['graph-resnet', [28, 28, 1], { layers: GRAPHS.resnet }],
    ['graph-densenet', [28, 28, 1], { layers: GRAPHS.densenet }],
    ['graph-resnext', [28, 28, 1], { layers: GRAPHS.resnext }],
    ['resnet18-64', [64, 64, 3], models.resnet18({ imageSize: 64 })],
    ['resnet50-64', [64, 64, 3], models.resnet50({ imageSize: 64 })],
    ['resnet50-224', [224, 224, 3], models.resnet50({ imageSize: 224 })],
    ['densenet121-64', [64, 64, 3], models.densenet121({ imageSize: 64 })],
  ];
  return networks.map(([name, input, network]) => [`${name}.tsv`, networkText(input, network)]);
}

function networkText(input: Size, { layers, init }: Described): string {
  const summary = native().summarize({ input: [...input], layers: [...layers] });
  const indices = new Map([
    ['image', IMAGE],
    ...summary.layers.map(({ name }, index) => [name, index] as const),
  ]);
  const described = inOrder(layers);
  const lines = summary.layers.map(({ type, inputs }, index) =>
    line(type, { ...ownFields(described[index]!), inputs: inputs.map((name) => indices.get(name)!) }),
  );
  const start: Fields = init === undefined ? {} : { init };
  return `${[line('input', { size: input, ...start }), ...lines].join('\n')}\n`;
}

/** Layers in the order of the summary: those inside a layer come before it. */
function inOrder(layers: readonly LayerDescription[]): LayerDescription[] {
  return layers.flatMap((layer) => {
    if (layer.type === 'residual') return [...inOrder(layer.body), ...inOrder(layer.shortcut ?? []), layer];
    return layer.type === 'concat' ? [...layer.branches.flatMap(inOrder), layer] : [layer];
  });
}

/** Without what the summary says, and the layers inside it. */
function ownFields(layer: LayerDescription): Fields {
  const { type, body, shortcut, branches, ...fields } = { body: [], shortcut: [], branches: [], ...layer };
  return fields;
}

const line = (type: string, fields: Fields) =>
  [type, ...Object.entries(fields).map(([name, value]) => fieldText(name, value))].join('\t');

function fieldText(name: string, value: Field): string {
  if (typeof value === 'object' && 'std' in value) return `${name}.std=${value.std}`;
  return `${name}=${typeof value === 'boolean' ? Number(value) : value}`;
}
