/** A head as nodes: what a trained model answers, without margin. */
import { rowsOf } from '../files/layouts.js';
import type { NativeHead } from '../native/contract.js';
import type { GraphBuilder } from './graph.js';
import { asItIs, type Parameters, scaleRows } from './parameters.js';
import type { OnnxTensor } from './schema.js';

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
  parameters: Parameters,
  { foldScaledBn }: HeadOptions,
): string {
  const { numClasses, scaledBn } = head;
  const { read } = parameters;
  const isByDirection = head.normalizeFeatures && head.l2Scope === 'sample';
  const features = isByDirection ? scaled(graph, embedding, head, parameters) : embedding;
  const product = (
    name: string,
    weights: OnnxTensor['values'],
    bias: OnnxTensor['values'] | undefined,
  ): string => {
    const inputs = [features, graph.tensor(`${name}.weight`, [numClasses, embeddingSize], weights)];
    if (bias !== undefined) inputs.push(graph.tensor(`${name}.bias`, [numClasses], bias));
    return graph.add('Gemm', name, inputs, { transB: 1 });
  };
  const weightRows = (values: Float32Array) =>
    head.normalizeWeights ? divideRowsByNorm(values, embeddingSize) : values;
  const weights = async () => rowsOf(await read('head.weight'), numClasses, weightRows);
  const bias = head.bias ? asItIs(parameters, 'head.bias') : undefined;

  if (scaledBn === undefined) return product('head', weights, bias);
  if (!foldScaledBn) {
    const logits = product('head.products', weights, bias);
    const statistic = (name: string) => graph.tensor(name, [numClasses], asItIs(parameters, name));
    const parts = [
      graph.floats('head.bnScale', [numClasses], new Float32Array(numClasses).fill(scaledBn.scale)),
      graph.floats('head.bnShift', [numClasses], new Float32Array(numClasses)),
      statistic('head.runningMean'),
      statistic('head.runningVariance'),
    ];
    return graph.add('BatchNormalization', 'head', [logits, ...parts], {
      epsilon: { float: scaledBn.epsilon },
    });
  }
  const readFactors = async () =>
    Float64Array.from(
      await read('head.runningVariance'),
      (value) => scaledBn.scale / Math.sqrt(value + scaledBn.epsilon),
    );
  const folded = async () => {
    const factors = await readFactors();
    return rowsOf(await read('head.weight'), numClasses, (values, count, first) =>
      scaleRows(weightRows(values), factors.subarray(first, first + count)),
    );
  };
  const shift = async () => {
    const mean = await read('head.runningMean');
    const own = head.bias ? await read('head.bias') : undefined;
    return [Float32Array.from(await readFactors(), (factor, c) => ((own?.[c] ?? 0) - mean[c]!) * factor)];
  };
  return product('head', folded, shift);
}

/** scale·x/‖x‖ */
function scaled(graph: GraphBuilder, embedding: string, head: NativeHead, parameters: Parameters): string {
  const direction = addDirection(graph, embedding, 'head.direction');
  const scale = head.learnScale
    ? graph.tensor('head.scale', [1], asItIs(parameters, 'head.scale'))
    : graph.floats('head.scale', [1], [head.scale]);
  return graph.add('Mul', 'head.features', [direction, scale]);
}

/** x/‖x‖ of each row, and zeros for a row of zeros. */
export function addDirection(graph: GraphBuilder, rows: string, name: string): string {
  const norm = graph.add('ReduceL2', `${name}.norm`, [rows], { axes: [1], keepdims: 1 });
  const least = graph.floats(`${name}.least`, [1], [SHORTEST]);
  return graph.add('Div', name, [rows, graph.add('Max', `${name}.length`, [norm, least])]);
}

/** In place. */
function divideRowsByNorm(rows: Float32Array, size: number): Float32Array {
  for (let begin = 0; begin < rows.length; begin += size) {
    let squares = 0;
    for (let i = begin; i < begin + size; i++) squares += rows[i]! ** 2;
    const norm = Math.sqrt(squares);
    for (let i = begin; i < begin + size; i++) rows[i] = norm > SHORTEST ? rows[i]! / norm : 0;
  }
  return rows;
}
