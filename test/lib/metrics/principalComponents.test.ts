import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { principalComponents } from '../../../lib/metrics/principalComponents.js';

/** Uncorrelated columns of the given spreads, each with mean 0, turned by two plane rotations, and moved. */
function turned(spreads: readonly [number, number, number, number]) {
  const count = 64;
  const columns = spreads.map((spread, column) =>
    // Walsh functions: orthogonal, and of mean 0.
    Array.from({ length: count }, (_, row) => spread * ((row >> column) & 1 ? 1 : -1)),
  );
  const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
  const rows = Float32Array.from({ length: count * 4 }, (_, index) => {
    const row = Math.floor(index / 4);
    const [x, y, z, w] = columns.map((column) => column[row]!) as [number, number, number, number];
    return [c * x - s * z, c * y - s * w, s * x + c * z, s * y + c * w][index % 4]! + 5;
  });
  return { rows, columns, count };
}

test('the axes along which rows differ most are found, the widest first', async () => {
  const { rows, columns, count } = turned([1, 8, 2, 4]);
  const found = await principalComponents(rows, 4, 3);
  for (const [component, column] of [1, 3, 2].entries()) {
    const sign = Math.sign(found[component]! * columns[column]![0]!);
    for (let row = 0; row < count; row++) {
      expect(found[row * 3 + component]).toBeCloseTo(sign * columns[column]![row]!, 4);
    }
  }
});

test('the sign follows from the data alone', async () => {
  const { rows } = turned([1, 8, 2, 4]);
  const backwards = rows.slice();
  for (let row = 0; row < 64; row++) backwards.set(rows.subarray((63 - row) * 4, (64 - row) * 4), row * 4);
  const [forth, back] = [await principalComponents(rows, 4, 2), await principalComponents(backwards, 4, 2)];
  for (let row = 0; row < 64; row++) expect(back[2 * (63 - row)]).toBeCloseTo(forth[2 * row]!, 4);
});

/** Of variances that fall by a tenth each: the axes beside those that are wanted are nearly as wide. */
function manyAxes(count: number, size: number): Float32Array {
  let state = 5;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const directions = Array.from({ length: size }, () => Array.from({ length: size }, random));
  const rows = new Float32Array(count * size);
  for (let row = 0; row < count; row++) {
    for (const [axis, direction] of directions.entries()) {
      const place = random() * 0.9 ** axis;
      for (const [column, weight] of direction.entries()) rows[row * size + column]! += place * weight;
    }
  }
  return rows;
}

test('of many axes they are those of the whole covariance, decomposed', async () => {
  const [count, size] = [200, 40];
  const rows = manyAxes(count, size);
  const means = Array.from({ length: size }, (_, column) => {
    return rows.reduce((sum, value, index) => (index % size === column ? sum + value / count : sum), 0);
  });
  const centred = new Matrix(count, size);
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < size; column++) {
      centred.set(row, column, rows[row * size + column]! - means[column]!);
    }
  }
  const { eigenvectorMatrix } = new EigenvalueDecomposition(centred.transpose().mmul(centred));
  const found = await principalComponents(rows, size, 3);
  for (let component = 0; component < 3; component++) {
    const axis = eigenvectorMatrix.getColumn(size - 1 - component);
    const expected = centred.mmul(Matrix.columnVector(axis)).getColumn(0);
    const sign = Math.sign(expected[0]! * found[component]!);
    const length = Math.sqrt(expected.reduce((sum, value) => sum + value ** 2, 0));
    for (let row = 0; row < count; row++) {
      expect(Math.abs(sign * found[row * 3 + component]! - expected[row]!)).toBeLessThan(1e-4 * length);
    }
  }
});

test('rows that are all alike are all at 0', async () => {
  const found = await principalComponents(new Float32Array(40).fill(3), 4, 3);
  expect([...found]).toEqual(new Array(30).fill(0));
});
