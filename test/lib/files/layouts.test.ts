import { rowsOf } from '../../../lib/files/layouts.js';

test.each([
  [5, 3],
  [1000, 5000],
  [3, 2 ** 21],
  [2 ** 20 + 1, 1],
])(
  '%i rows of %i numbers come in order, in pieces of whole rows, none longer than 5 ms of work',
  (rows, columns) => {
    const values = new Float32Array(rows * columns);
    values[0] = 1;
    values[values.length - 1] = 2;
    let next = 0;
    const pieces = Array.from(
      rowsOf(values, rows, (piece, count, first) => {
        expect([piece.length, first]).toEqual([count * columns, next]);
        next += count;
        return piece;
      }),
    );
    expect(next).toBe(rows);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(Math.max(columns, 2 ** 20));
    expect([pieces[0]![0], pieces.at(-1)!.at(-1)]).toEqual([1, 2]);
  },
);
