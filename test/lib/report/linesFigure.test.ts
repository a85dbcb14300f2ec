import { type LinesOptions, linesFigure } from '../../../lib/report/figures/linesFigure.js';

const OPTIONS: LinesOptions = { id: 'a', title: 'A', label: 'a', xTitle: 'step', yTitle: 'loss' };

const draw = (points: readonly (readonly [number, number])[], options: Partial<LinesOptions> = {}) =>
  linesFigure({ ...OPTIONS, ...options }, [{ title: 'row', index: 0, points }]);

/** What stands at the axes, of x and y in one. */
const labels = (svg: string) =>
  Array.from(svg.matchAll(/<text[^>]*>([^<]+)<\/text>/g), ([, text]) => Number(text)).filter(Number.isFinite);

test('logarithmic only where values are of more than one power of ten', () => {
  const isLogarithmic = true;
  expect(
    labels(
      draw(
        [
          [1, 0.5],
          [2, 4.9],
        ],
        { isLogarithmic },
      ).svg,
    ),
  ).toContain(3);
  const wide = labels(
    draw(
      [
        [1, 0.5],
        [2, 5.1],
      ],
      { isLogarithmic },
    ).svg,
  );
  expect(wide).toEqual(expect.arrayContaining([0.1, 1, 10]));
  expect(wide).not.toContain(3);
});

test('what is not drawn stands in the table', () => {
  const points = [
    [1, 1],
    [2, Number.NaN],
    [3, Number.POSITIVE_INFINITY],
    [4, -1],
    [5, 100],
  ] as const;
  const { table, svg } = draw(points, { isLogarithmic: true });
  expect(table).toEqual([['row', 'step', 'loss'], ...points.map((point) => ['row', ...point])]);
  expect(svg).not.toMatch(/NaN|Infinity/);
});

test.each([1e308, 1e20, 1e-20, 1e-38, 5e-324, 0])('numbers as large as %d', (size) => {
  for (const points of [
    [[1, size]],
    [
      [1, size],
      [2, -size],
    ],
    [
      [size, 1],
      [2 * size, 2],
    ],
  ] as const) {
    expect(draw(points).svg).toMatch(/^<svg /);
  }
});

test('a single point is seen', () => {
  const circles = (svg: string) => svg.match(/fill="var\(--c0\)"/g)?.length ?? 0;
  expect(circles(draw([[1, 1]]).svg)).toBe(1);
  expect(
    circles(
      draw([
        [1, 1],
        [2, 2],
      ]).svg,
    ),
  ).toBe(0);
});

test('numbers beside the y axis have room there', () => {
  for (const size of [0.000998, 123_456_789, 0.99998]) {
    const { svg } = draw([
      [1, size],
      [2, size * 1.01],
    ]);
    const texts = Array.from(svg.matchAll(/<text[^>]*text-anchor="end"[^>]*>([^<]+)</g), ([, text]) => text!);
    expect(texts.length).toBeGreaterThan(2);
    for (const text of texts) expect(text.length).toBeLessThanOrEqual(9);
    expect(new Set(texts).size).toBe(texts.length);
  }
});
