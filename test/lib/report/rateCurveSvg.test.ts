import { rateCurveSvg } from '../../../lib/report/svg/rateCurveSvg.js';
import { refusal } from '../../support/refusal.js';

const input = {
  rates: [1e-4, 1e-3, 1e-2, 1e-1],
  losses: [2, 1.5, 1, 9],
  smoothed: [2, 1.75, 1.5, 2],
  marks: [{ rate: 1e-3, label: 'steepest <descent>' }],
  title: 'a & b',
  subtitle: '4 steps',
};

/** The points of the line that has the attribute. */
const pointsOf = (svg: string, attribute: string) =>
  Array.from(svg.matchAll(new RegExp(`<path d="M([^"Z]*)"[^>]*${attribute}`, 'g')), ([, path]) =>
    path!.split('L').map((point) => point.split(' ').map(Number)),
  ).find((points) => points.length > 2)!;

test('rates are as far apart as their logarithms; a loss above the plot is at its edge', () => {
  const svg = rateCurveSvg(input);
  const smoothed = pointsOf(svg, 'stroke-width="2"');
  const xs = smoothed.map(([x]) => x!);
  const gaps = xs.slice(1).map((x, index) => x - xs[index]!);
  for (const gap of gaps) expect(Math.abs(gap - gaps[0]!)).toBeLessThan(0.1);
  const ys = smoothed.map(([, y]) => y!);
  expect(ys[0]).toBe(ys[3]);
  expect(Math.abs(ys[0]! - ys[1]! - (ys[1]! - ys[2]!))).toBeLessThan(0.1);
  expect(ys[1]!).toBeGreaterThan(ys[0]!);
  const losses = pointsOf(svg, 'stroke-opacity="0.25"');
  expect(losses[3]![1]).toBe(130);
  expect(losses[3]![1]).toBeLessThan(ys[0]!);
  expect(svg).toContain('a &#38; b');
  expect(svg).toContain('steepest &lt;descent&gt;');
  for (const tick of ['>0.0001<', '>0.001<', '>0.01<', '>0.1<']) expect(svg).toContain(tick);
});

test('a single point is no curve', async () => {
  expect(await refusal(() => rateCurveSvg({ ...input, rates: [1] }))).toMatchObject({ code: 'INVALID_DATA' });
});
