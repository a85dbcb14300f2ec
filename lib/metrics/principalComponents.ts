/** Rows seen along the axes in which they differ most (principal component analysis). */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

/**
 * @param rows (N, D), row-major
 * @returns (N, components): each row less the mean of all, along the eigenvectors of the covariance with the greatest eigenvalues,
 *   the greatest first. The sign of a component is that which makes its longest weight positive.
 */
export function principalComponents(rows: Float32Array, size: number, components: number): Float32Array {
  const count = rows.length / size;
  const centred = new Matrix(count, size);
  for (let column = 0; column < size; column++) {
    let sum = 0;
    for (let row = 0; row < count; row++) sum += rows[row * size + column]!;
    for (let row = 0; row < count; row++) centred.set(row, column, rows[row * size + column]! - sum / count);
  }
  const covariance = centred.transpose().mmul(centred);
  const { eigenvectorMatrix } = new EigenvalueDecomposition(covariance, { assumeSymmetric: true });
  const result = new Float32Array(count * components);
  for (let component = 0; component < components; component++) {
    const axis = eigenvectorMatrix.getColumn(size - 1 - component); // eigenvalues ascend
    const longest = axis.reduce((best, weight) => (Math.abs(weight) > Math.abs(best) ? weight : best), 0);
    const sign = longest < 0 ? -1 : 1;
    for (let row = 0; row < count; row++) {
      let along = 0;
      for (let column = 0; column < size; column++) along += centred.get(row, column) * axis[column]!;
      result[row * components + component] = sign * along;
    }
  }
  return result;
}
