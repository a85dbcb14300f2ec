/** Rows seen along the axes in which they differ most (principal component analysis). */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { turnEventLoop } from '../base/abort.js';

/** Axes that are sought beside those that are wanted: the more, the faster these are found. */
const FURTHER = 8;
const MOST_ROUNDS = 300;
/** Of the variance along the axes from one round to the next: the axes themselves are then found to some 1e-6. */
const SETTLED = 1e-12;

/** Of D numbers each */
type Axes = readonly Float64Array[];

/**
 * Subspace iteration (Halko, Martinsson & Tropp 2011, "Finding structure with randomness", algorithm 4.4): the covariance itself, D × D,
 * is never made.
 * @param rows (N, D), row-major
 * @returns (N, components): each row less the mean of all, along the eigenvectors of the covariance with the greatest eigenvalues,
 *   the greatest first. The sign of a component is that which makes its longest weight positive.
 */
export async function principalComponents(
  rows: Float32Array,
  size: number,
  components: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const centred = lessTheMean(rows, size);
  let axes = orthonormal(someAxes(Math.min(size, components + FURTHER), size));
  let explained = 0;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    await turnEventLoop(signal);
    const turned = alongEigenvectors(centred, axes);
    const now = turned.variances.slice(0, components).reduce((sum, variance) => sum + variance, 0);
    const isSettled = Math.abs(now - explained) <= SETTLED * now;
    axes = turned.axes;
    explained = now;
    if (isSettled || axes.length === size) break;
    axes = orthonormal(axes.map((axis) => weighted(centred, projected(centred, axis), size)));
  }
  const places = axes.slice(0, components).map((axis) => projected(centred, withSign(axis)));
  return Float32Array.from({ length: places[0]!.length * components }, (_, index) => {
    return places[index % components]![Math.floor(index / components)]!;
  });
}

function lessTheMean(rows: Float32Array, size: number): Float64Array {
  const means = new Float64Array(size);
  for (const [index, value] of rows.entries()) means[index % size]! += value;
  const count = rows.length / size;
  return Float64Array.from(rows, (value, index) => value - means[index % size]! / count);
}

/** The same each time, and along no direction in particular. */
function someAxes(count: number, size: number): Axes {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  return Array.from({ length: count }, () => Float64Array.from({ length: size }, next));
}

/** X·axis: (N) */
function projected(centred: Float64Array, axis: Float64Array): Float64Array {
  const size = axis.length;
  const places = new Float64Array(centred.length / size);
  for (let row = 0; row < places.length; row++) {
    let sum = 0;
    for (let column = 0; column < size; column++) sum += centred[row * size + column]! * axis[column]!;
    places[row] = sum;
  }
  return places;
}

/** Xᵀ·places: (D) */
function weighted(centred: Float64Array, places: Float64Array, size: number): Float64Array {
  const sum = new Float64Array(size);
  for (const [row, place] of places.entries()) {
    for (let column = 0; column < size; column++) sum[column]! += place * centred[row * size + column]!;
  }
  return sum;
}

/** Gram-Schmidt, twice, which is enough. What is left of an axis that depends on earlier ones stays as it is, next to nothing. */
function orthonormal(given: Axes): Axes {
  const axes: Float64Array[] = [];
  for (const each of given) {
    let axis = each;
    for (let turn = 0; turn < 2; turn++) {
      for (const other of axes) axis = less(axis, other, dot(axis, other));
      const length = Math.sqrt(dot(axis, axis));
      if (length > 0) axis = axis.map((value) => value / length);
    }
    axes.push(axis);
  }
  return axes;
}

/** The axes of the same space along which rows are uncorrelated, the widest first. */
function alongEigenvectors(centred: Float64Array, axes: Axes): { axes: Axes; variances: number[] } {
  const places = axes.map((axis) => projected(centred, axis));
  const covariance = new Matrix(places.map((one) => places.map((other) => dot(one, other))));
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(covariance, {
    assumeSymmetric: true,
  });
  const order = axes.map((_, index) => axes.length - 1 - index); // eigenvalues ascend
  return {
    axes: order.map((column) => combined(axes, eigenvectorMatrix.getColumn(column))),
    variances: order.map((column) => realEigenvalues[column]!),
  };
}

const combined = (axes: Axes, weights: readonly number[]): Float64Array =>
  axes[0]!.map((_, column) => axes.reduce((sum, axis, index) => sum + weights[index]! * axis[column]!, 0));

function withSign(axis: Float64Array): Float64Array {
  const longest = axis.reduce((best, weight) => (Math.abs(weight) > Math.abs(best) ? weight : best), 0);
  return longest < 0 ? axis.map((weight) => -weight) : axis;
}

const less = (a: Float64Array, b: Float64Array, times: number) =>
  a.map((value, column) => value - times * b[column]!);

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}
