/** A head as nodes: what a trained model answers, without margin. */
import type { NativeHead } from '../native/contract.js';
import type { GraphBuilder } from './graph.js';
import type { Read } from './network.js';

/** As the core's (native/heads/norm.h): shorter vectors have no direction. */
const SHORTEST = 1e-12;

export interface HeadOptions {
  /** The normalisation of logits becomes a part of the class weights. */
  readonly foldScaledBn: boolean;
}

/** Adds scores of the classes, (N, C). @param embedding (N, D) */
export function addHead(
  graph: GraphBuilder,
  embedding: string,
  embeddingSize: number,
  head: NativeHead,
  read: Read,
  { foldScaledBn }: HeadOptions,
): string {
  const { numClasses, scaledBn } = head;
  const weights = read('head.weight').slice();
  if (head.normalizeWeights) divideRowsByNorm(weights, embeddingSize);
  const isByDirection = head.normalizeFeatures && head.l2Scope === 'sample';
  const scale = head.learnScale ? read('head.scale')[0]! : head.scale;
  const features = isByDirection ? scaled(graph, embedding, scale) : embedding;
  const bias = head.bias ? read('head.bias').slice() : undefined;

  if (scaledBn === undefined)
    return product(graph, 'head', features, weights, [numClasses, embeddingSize], bias);
  const mean = read('head.runningMean');
  const variance = read('head.runningVariance');
  if (!foldScaledBn) {
    const logits = product(graph, 'head.products', features, weights, [numClasses, embeddingSize], bias);
    const parts = [
      graph.floats('head.bnScale', [numClasses], new Float32Array(numClasses).fill(scaledBn.scale)),
      graph.floats('head.bnShift', [numClasses], new Float32Array(numClasses)),
      graph.floats('head.runningMean', [numClasses], mean),
      graph.floats('head.runningVariance', [numClasses], variance),
    ];
    return graph.add('BatchNormalization', 'head', [logits, ...parts], {
      epsilon: { float: scaledBn.epsilon },
    });
  }
  const factors = Float64Array.from(
    variance,
    (value) => scaledBn.scale / Math.sqrt(value + scaledBn.epsilon),
  );
  const folded = weights.map((value, index) => value * factors[Math.floor(index / embeddingSize)]!);
  const shift = Float32Array.from(factors, (factor, c) => ((bias?.[c] ?? 0) - mean[c]!) * factor);
  return product(graph, 'head', features, folded, [numClasses, embeddingSize], shift);
}

function product(
  graph: GraphBuilder,
  name: string,
  features: string,
  weights: Float32Array,
  shape: readonly number[],
  bias: Float32Array | undefined,
): string {
  const inputs = [features, graph.floats(`${name}.weight`, shape, weights)];
  if (bias !== undefined) inputs.push(graph.floats(`${name}.bias`, [bias.length], bias));
  return graph.add('Gemm', name, inputs, { transB: 1 });
}

/** scale·x/‖x‖ */
function scaled(graph: GraphBuilder, embedding: string, scale: number): string {
  const direction = addDirection(graph, embedding, 'head.direction');
  return graph.add('Mul', 'head.features', [direction, graph.floats('head.scale', [1], [scale])]);
}

/** x/‖x‖ of each row, and zeros for a row of zeros. */
export function addDirection(graph: GraphBuilder, rows: string, name: string): string {
  const norm = graph.add('ReduceL2', `${name}.norm`, [rows], { axes: [1], keepdims: 1 });
  const least = graph.floats(`${name}.least`, [1], [SHORTEST]);
  return graph.add('Div', name, [rows, graph.add('Max', `${name}.length`, [norm, least])]);
}

function divideRowsByNorm(rows: Float32Array, size: number): void {
  for (let begin = 0; begin < rows.length; begin += size) {
    let squares = 0;
    for (let i = begin; i < begin + size; i++) squares += rows[i]! ** 2;
    const norm = Math.sqrt(squares);
    for (let i = begin; i < begin + size; i++) rows[i] = norm > SHORTEST ? rows[i]! / norm : 0;
  }
}
