/** A network's layers as nodes. Images are (N, C, H, W) here, as ONNX has them. */
import { rowsOf, toChannelFirst, toOihw } from '../files/layouts.js';
import type { LayerSummary } from '../native/contract.js';
import type { LayerDescription } from '../networks/layers.js';
import type { GraphBuilder } from './graph.js';
import { asItIs, type Parameters, scaleRows } from './parameters.js';

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
  parameters: Parameters,
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
    values.set(name, isFolded ? sources[0]! : addLayer(graph, layer, sources, parameters, folded.get(name)));
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
  parameters: Parameters,
  norm: Layer | undefined,
): string {
  const { is, summary, inputShape } = layer;
  const { name } = summary;
  const [input] = inputs as [string];
  switch (is.type) {
    case 'conv2d':
      return graph.add('Conv', name, [input, ...weightsOf(graph, layer, parameters, norm)], {
        ...{ strides: [is.stride ?? 1, is.stride ?? 1], group: is.groups ?? 1 },
        ...{ kernel_shape: kernelOf(is), pads: paddingOf(is) },
      });
    case 'linear': {
      const rows = inputShape.length === 1 ? input : graph.add('Flatten', `${name}.rows`, [input]);
      return graph.add('Gemm', name, [rows, ...weightsOf(graph, layer, parameters, norm)], { transB: 1 });
    }
    case 'relu':
      return graph.add('Relu', name, [input]);
    case 'prelu': {
      const slopes = `${name}.weight`;
      const shape = [...parameters.shape(slopes), ...inputShape.slice(0, -1).map(() => 1)];
      return graph.add('PRelu', name, [input, graph.tensor(slopes, shape, asItIs(parameters, slopes))]);
    }
    case 'batchNorm': {
      const parts = ['weight', 'bias', 'runningMean', 'runningVariance'].map((part) => `${name}.${part}`);
      const tensors = parts.map((part) => graph.tensor(part, [inputShape.at(-1)!], asItIs(parameters, part)));
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
  { summary: { name }, is, inputShape }: Layer,
  parameters: Parameters,
  norm: Layer | undefined,
): string[] {
  const weight = `${name}.weight`;
  const bias = `${name}.bias`;
  const hasBias = (is as { bias?: boolean | null }).bias ?? true;
  const ours = parameters.shape(weight);
  const [rows, ...rest] = ours as [number, ...number[]];
  const shape = is.type === 'conv2d' ? [rows, rest[2]!, rest[0]!, rest[1]!] : ours;
  const reordered = (values: Float32Array, count: number) => {
    if (is.type === 'conv2d') return toOihw(values, [count, ...rest]);
    return inputShape.length === 3 ? toChannelFirst(values, count, inputShape) : values;
  };
  if (norm === undefined) {
    const weights = async () => rowsOf(await parameters.read(weight), rows, reordered);
    return [
      graph.tensor(weight, shape, weights),
      ...(hasBias ? [graph.tensor(bias, [rows], asItIs(parameters, bias))] : []),
    ];
  }
  const weights = async () => {
    const { factors } = await affineOf(norm, parameters);
    return rowsOf(await parameters.read(weight), rows, (values, count, first) =>
      scaleRows(reordered(values, count), factors.subarray(first, first + count)),
    );
  };
  const biases = async () => {
    const { factors, mean, beta } = await affineOf(norm, parameters);
    const own = hasBias ? await parameters.read(bias) : undefined;
    return [
      Float32Array.from(factors, (factor, row) => ((own?.[row] ?? 0) - mean[row]!) * factor + beta[row]!),
    ];
  };
  return [graph.tensor(weight, shape, weights), graph.tensor(bias, [rows], biases)];
}

/** A batch norm as (x − mean)·factor + beta, with factor = γ/√(σ² + ε). */
async function affineOf(
  { is, summary: { name } }: Layer,
  { read }: Parameters,
): Promise<{ factors: Float64Array; mean: Float32Array; beta: Float32Array }> {
  const gamma = await read(`${name}.weight`);
  const variance = await read(`${name}.runningVariance`);
  const epsilon = (is as { epsilon?: number | null }).epsilon ?? EPSILON;
  return {
    factors: Float64Array.from(variance, (value, row) => gamma[row]! / Math.sqrt(value + epsilon)),
    mean: await read(`${name}.runningMean`),
    beta: await read(`${name}.bias`),
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
