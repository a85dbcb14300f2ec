/** A network's layers as nodes. Images are (N, C, H, W) here, as ONNX has them. */
import { toChannelFirst, toOihw } from '../files/layouts.js';
import type { LayerSummary } from '../native/contract.js';
import type { LayerDescription } from '../networks/layers.js';
import type { GraphBuilder } from './graph.js';

/** Values of a parameter by its name. */
export type Read = (name: string) => Float32Array;

/** A layer as it is described, and as it was summed up. */
interface Layer {
  readonly is: LayerDescription;
  readonly summary: LayerSummary;
  /** Of what it reads: [H, W, C] or [D]. */
  readonly inputShape: readonly number[];
}

export interface NetworkOptions {
  /** Convolutions take over the batch norm behind them. */
  readonly foldBatchNorm: boolean;
}

/** Adds the layers; returns the name of the embedding, (N, D). @param image Name of the normalised images */
export function addNetwork(
  graph: GraphBuilder,
  image: string,
  {
    layers,
    input,
    summaries,
  }: { layers: readonly LayerDescription[]; input: readonly number[]; summaries: readonly LayerSummary[] },
  read: Read,
  { foldBatchNorm }: NetworkOptions,
): string {
  const described = inOrder(layers);
  const shapes = new Map<string, readonly number[]>([
    ['image', input],
    ...summaries.map(({ name, output }) => [name, output] as const),
  ]);
  const all = summaries.map(
    (summary, index): Layer => ({
      is: described[index]!,
      summary,
      inputShape: shapes.get(summary.inputs[0]!)!,
    }),
  );
  const folded = foldBatchNorm ? foldable(all) : new Map<string, Layer>();
  const values = new Map([['image', image]]);
  for (const layer of all) {
    const { name, inputs } = layer.summary;
    const sources = inputs.map((each) => values.get(each)!);
    const isFolded = layer.is.type === 'batchNorm' && folded.get(inputs[0]!) === layer;
    values.set(name, isFolded ? sources[0]! : addLayer(graph, layer, sources, read, folded.get(name)));
  }
  return flattened(graph, values.get(summaries.at(-1)!.name)!, summaries.at(-1)!.output);
}

/** Layers in the order of the summary: those inside another come before it. */
function inOrder(layers: readonly LayerDescription[]): LayerDescription[] {
  return layers.flatMap((layer) => {
    if (layer.type === 'residual') return [...inOrder(layer.body), ...inOrder(layer.shortcut ?? []), layer];
    if (layer.type === 'concat') return [...layer.branches.flatMap((branch) => inOrder(branch)), layer];
    return [layer];
  });
}

/** By the name of the convolution or linear layer: the batch norm that alone reads it. */
function foldable(layers: readonly Layer[]): Map<string, Layer> {
  const readers = new Map<string, Layer[]>();
  for (const layer of layers) {
    for (const input of layer.summary.inputs) readers.set(input, [...(readers.get(input) ?? []), layer]);
  }
  const pairs = layers.flatMap(({ is, summary }) => {
    const [reader, ...others] = readers.get(summary.name) ?? [];
    const isPair =
      (is.type === 'conv2d' || is.type === 'linear') &&
      others.length === 0 &&
      reader?.is.type === 'batchNorm';
    return isPair ? [[summary.name, reader] as const] : [];
  });
  return new Map(pairs);
}

function addLayer(
  graph: GraphBuilder,
  layer: Layer,
  inputs: string[],
  read: Read,
  norm: Layer | undefined,
): string {
  const { is, summary, inputShape } = layer;
  const { name } = summary;
  const [input] = inputs as [string];
  switch (is.type) {
    case 'conv2d':
      return graph.add('Conv', name, [input, ...weightsOf(graph, layer, read, norm)], {
        ...{ strides: [is.stride ?? 1, is.stride ?? 1], group: is.groups ?? 1 },
        ...{ kernel_shape: kernelOf(is), pads: paddingOf(is) },
      });
    case 'linear': {
      const rows = inputShape.length === 1 ? input : graph.add('Flatten', `${name}.rows`, [input]);
      return graph.add('Gemm', name, [rows, ...weightsOf(graph, layer, read, norm)], { transB: 1 });
    }
    case 'relu':
      return graph.add('Relu', name, [input]);
    case 'prelu': {
      const slopes = read(`${name}.weight`);
      const shape = [slopes.length, ...inputShape.slice(0, -1).map(() => 1)];
      return graph.add('PRelu', name, [input, graph.floats(`${name}.weight`, shape, slopes)]);
    }
    case 'batchNorm': {
      const parts = ['weight', 'bias', 'runningMean', 'runningVariance'].map((part) => `${name}.${part}`);
      const tensors = parts.map((part) => graph.floats(part, [inputShape.at(-1)!], read(part)));
      return graph.add('BatchNormalization', name, [input, ...tensors], {
        epsilon: { float: is.epsilon ?? EPSILON },
      });
    }
    case 'maxPool2d':
      return graph.add('MaxPool', name, [input], poolOf(is));
    case 'averagePool2d':
      return graph.add('AveragePool', name, [input], { ...poolOf(is), count_include_pad: 0 });
    case 'globalAveragePool':
      return graph.add('Flatten', name, [graph.add('GlobalAveragePool', `${name}.mean`, [input])]);
    case 'dropout':
      return input;
    case 'residual':
      return graph.add('Add', name, inputs);
    case 'concat':
      return graph.add('Concat', name, inputs, { axis: 1 });
  }
}

/** Where a batch norm has none of its own. */
const EPSILON = 1e-5;

/** Names of the weights and, where there is one, the bias of a convolution or linear layer; with a batch norm folded in. */
function weightsOf(
  graph: GraphBuilder,
  { summary, is, inputShape }: Layer,
  read: Read,
  norm: Layer | undefined,
): string[] {
  const { name, output } = summary;
  const rows = output.at(-1)!;
  const isConvolution = is.type === 'conv2d';
  const own = read(`${name}.weight`);
  const [kernelHeight, kernelWidth] = isConvolution ? kernelOf(is) : [1, 1];
  const columns = own.length / rows / kernelHeight! / kernelWidth!;
  const shape = isConvolution ? [rows, columns, kernelHeight!, kernelWidth!] : [rows, columns];
  const weights = isConvolution
    ? toOihw(own, [rows, kernelHeight!, kernelWidth!, columns])
    : inputShape.length === 3
      ? toChannelFirst(own, rows, inputShape)
      : own;
  const hasBias = (is as { bias?: boolean | null }).bias ?? true;
  const bias = hasBias ? read(`${name}.bias`) : undefined;
  const applied = norm === undefined ? { weights, bias } : normalized(weights, bias, rows, norm, read);
  return [
    graph.floats(`${name}.weight`, shape, applied.weights),
    ...(applied.bias === undefined ? [] : [graph.floats(`${name}.bias`, [rows], applied.bias)]),
  ];
}

/** γ·(w·x + b − μ)/√(σ² + ε) + β as one product with a bias. */
function normalized(
  weights: Float32Array,
  bias: Float32Array | undefined,
  rows: number,
  { is, summary: { name } }: Layer,
  read: Read,
): { weights: Float32Array; bias: Float32Array } {
  const [gamma, beta, mean, variance] = ['weight', 'bias', 'runningMean', 'runningVariance'].map((part) =>
    read(`${name}.${part}`),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const epsilon = (is as { epsilon?: number | null }).epsilon ?? EPSILON;
  const scale = Float64Array.from(variance, (value, row) => gamma[row]! / Math.sqrt(value + epsilon));
  const columns = weights.length / rows;
  return {
    weights: weights.map((value, index) => value * scale[Math.floor(index / columns)]!),
    bias: Float32Array.from(scale, (factor, row) => ((bias?.[row] ?? 0) - mean[row]!) * factor + beta[row]!),
  };
}

type Convolution = Extract<LayerDescription, { type: 'conv2d' }>;
type Pool = Extract<LayerDescription, { type: 'maxPool2d' | 'averagePool2d' }>;

const kernelOf = ({ kernelSize }: Convolution): [number, number] =>
  typeof kernelSize === 'number' ? [kernelSize, kernelSize] : kernelSize;

/** Top, left, bottom, right. */
function paddingOf(layer: Convolution): number[] {
  const { padding } = layer;
  const [height, width] =
    padding === 'same' ? kernelOf(layer).map((size) => (size - 1) / 2) : [padding ?? 0, padding ?? 0];
  return [height!, width!, height!, width!];
}

function poolOf({ kernelSize, stride, padding }: Pool) {
  const size = [kernelSize, kernelSize];
  const step = stride ?? kernelSize;
  const pad = padding ?? 0;
  return { kernel_shape: size, strides: [step, step], pads: [pad, pad, pad, pad] };
}

/**
 * (N, D) of a value. An image that is the embedding keeps our order of its numbers, (H, W, C); weights that read one have
 * their columns in ONNX's.
 */
function flattened(graph: GraphBuilder, value: string, shape: readonly number[]): string {
  if (shape.length === 1) return value;
  const name = `${value}.rows`;
  return graph.add('Flatten', name, [
    graph.add('Transpose', `${value}.nhwc`, [value], { perm: [0, 2, 3, 1] }),
  ]);
}
