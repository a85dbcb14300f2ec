import { anglesSvg } from '../../../lib/report/svg/anglesSvg.js';
import { histogram, median } from '../../../lib/report/svg/histogram.js';

test('histogram: shares of the bins, the upper limit in the last', () => {
  expect(histogram(Float32Array.of(0, 9.9, 10, 40), 4, 40)).toEqual([0.5, 0.25, 0, 0.25]);
});

test.each([
  [[3], 3],
  [[9, 1], 5],
  [[9, 1, 2], 2],
  [[4, 9, 1, 2], 3],
])('median of %j is %d', (values, expected) => {
  expect(median(Float32Array.from(values))).toBe(expected);
});

describe('the picture', () => {
  const own = Float32Array.of(10, 20, 30);
  const nearestOther = Float32Array.of(60, 70, 180);
  const svg = anglesSvg({ own, nearestOther, title: 'A <b> & "c"', subtitle: 'm 0.5' });

  test('is one self-contained, small SVG', () => {
    const opening = '<svg xmlns="http://www.w3.org/2000/svg"';
    expect(svg.startsWith(opening) && svg.endsWith('</svg>\n')).toBe(true);
    expect(svg.slice(opening.length)).not.toMatch(/href|url\((?!#)|https?:/);
    expect(svg.length).toBeLessThan(30_000);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('says in words what it shows, with its texts escaped', () => {
    expect(svg).toContain('<title id="title">A &#60;b&#62; &#38; &#34;c&#34;</title>');
    expect(svg).toContain('own class: median 20.0 degrees');
    expect(svg).toContain('another class: median 70.0 degrees');
  });

  test('marks the medians where they lie on the axis', () => {
    const xOfTick = (label: string) =>
      Number(new RegExp(`translate\\(([\\d.]+) [\\d.]+\\)"[^>]*>${label}</text>`).exec(svg)![1]);
    const marks = [...svg.matchAll(/<path d="M([\d.]+) [^"]*"[^>]*stroke-dasharray/g)].map((found) =>
      Number(found[1]),
    );
    const degree = (xOfTick('180°') - xOfTick('0°')) / 180;
    // Lines and ticks are at whole pixels.
    for (const [index, expected] of [20, 70].entries()) {
      expect(Math.abs((marks[index]! - xOfTick('0°')) / degree - expected)).toBeLessThan(1 / degree);
    }
    expect(svg).toContain('>median 20.0°<');
    expect(svg).toContain('>median 70.0°<');
  });

  test('without angles is refused', () => {
    const empty = new Float32Array();
    expect(() => anglesSvg({ own: empty, nearestOther: empty, title: '' })).toThrow(
      expect.objectContaining({ code: 'INVALID_DATA' }),
    );
  });
});
