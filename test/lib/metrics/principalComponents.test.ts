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

test('the axes along which rows differ most are found, the widest first', () => {
  const { rows, columns, count } = turned([1, 8, 2, 4]);
  const found = principalComponents(rows, 4, 3);
  for (const [component, column] of [1, 3, 2].entries()) {
    const sign = Math.sign(found[component]! * columns[column]![0]!);
    for (let row = 0; row < count; row++) {
      expect(found[row * 3 + component]).toBeCloseTo(sign * columns[column]![row]!, 4);
    }
  }
});

test('the sign follows from the data alone', () => {
  const { rows } = turned([1, 8, 2, 4]);
  const backwards = rows.slice();
  for (let row = 0; row < 64; row++) backwards.set(rows.subarray((63 - row) * 4, (64 - row) * 4), row * 4);
  const [forth, back] = [principalComponents(rows, 4, 2), principalComponents(backwards, 4, 2)];
  for (let row = 0; row < 64; row++) expect(back[2 * (63 - row)]).toBeCloseTo(forth[2 * row]!, 4);
});

test('rows that are all alike are all at 0', () => {
  const found = principalComponents(new Float32Array(40).fill(3), 4, 3);
  expect([...found]).toEqual(new Array(30).fill(0));
});
