import type { ImageSize } from '../data/imageSize.js';
import type { EffectiveHead } from '../heads/options.js';
import type { LayerSummary, NativeHead, NetworkSummary } from '../native/contract.js';

/** What a model is made of. `String(summary)` is a table. */
export interface ModelSummary {
  readonly name: string;
  /** [H, W, C] of one image */
  readonly input: ImageSize;
  /** The network's layers, and the head as the last row (type 'head'). */
  readonly layers: readonly LayerSummary[];
  readonly embeddingSize: number;
  /** Trained numbers of the network and the head together. */
  readonly parameters: number;
  /** Of one image's way forward, a multiply-accumulate counted as two. */
  readonly flops: number;
  /** A table of the layers. */
  toString(): string;
}

export function summarizeModel(
  name: string,
  input: ImageSize,
  network: NetworkSummary,
  head: NativeHead,
  { head: headName }: EffectiveHead,
): ModelSummary {
  const { embeddingSize } = network;
  const embedding = network.layers.at(-1)!;
  const layers = [
    ...network.layers,
    { ...headSummary(headName, head, embeddingSize), inputs: [embedding.name] },
  ];
  const total = (key: 'parameters' | 'flops') => layers.reduce((sum, layer) => sum + layer[key], 0);
  const summary = {
    name,
    input,
    layers,
    embeddingSize,
    parameters: total('parameters'),
    flops: total('flops'),
  };
  return { ...summary, toString: () => table(summary) };
}

function headSummary(name: string, head: NativeHead, embeddingSize: number): Omit<LayerSummary, 'inputs'> {
  const { numClasses, bias, learnScale, fixedWeights } = head;
  const weights = fixedWeights ? 0 : numClasses * embeddingSize;
  return {
    name,
    type: 'head',
    output: [numClasses],
    parameters: weights + (bias ? numClasses : 0) + (learnScale ? 1 : 0),
    flops: 2 * numClasses * embeddingSize,
  };
}

function table({ name, input, layers, parameters, flops }: Omit<ModelSummary, 'toString'>): string {
  const count = (value: number) => value.toLocaleString('en-US');
  const rows = [
    ['layer', 'type', 'output', 'parameters', 'FLOPs'],
    ...layers.map((layer) => [
      layer.name,
      layer.type,
      layer.output.join('×'),
      count(layer.parameters),
      count(layer.flops),
    ]),
    ['total', '', '', count(parameters), count(flops)],
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column < 3 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  return [`${name}, input ${input.join('×')}`, ...lines].join('\n');
}
