import { type EmbeddingsPanel, embeddingsSvg } from '../../../lib/report/svg/embeddingsSvg.js';

const classNames = ['T-shirt <b>', 'Bag & "co"'];
const panel: EmbeddingsPanel = {
  title: 'arcface',
  subtitle: 'm 0.5 & s 30',
  points: Float32Array.of(10, 0, 0, 10, -10, 0, 0, -10),
  labels: Int32Array.of(0, 0, 1, 1),
  directions: Float32Array.of(3, 0, 0, -0.1),
};
const draw = (...panels: EmbeddingsPanel[]) => embeddingsSvg({ panels, classNames, title: '2-D <x>' });

/** Paths of the panels in the order of drawing, as [points, stroke]. */
function paths(svg: string): { points: [x: number, y: number][]; stroke: string }[] {
  const drawn = svg.slice(svg.indexOf('<g '));
  return [...drawn.matchAll(/<path d="([^"]*)" stroke="([^"]*)"/g)].map(([, d, stroke]) => ({
    points: [...d!.matchAll(/(-?[\d.]+) (-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]),
    stroke: stroke!,
  }));
}

describe('the picture', () => {
  const svg = draw(panel, { ...panel, title: 'softmax', subtitle: '60 %' });

  test('is one self-contained SVG', () => {
    const opening = '<svg xmlns="http://www.w3.org/2000/svg"';
    expect(svg.startsWith(opening) && svg.endsWith('</svg>\n')).toBe(true);
    expect(svg.slice(opening.length)).not.toMatch(/href|url\(|https?:/);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('has a title, a legend and the names of its panels, escaped', () => {
    expect(svg).toContain('<title id="title">2-D &#60;x&#62;</title>');
    expect(svg).toContain('>T-shirt &#60;b&#62;</text>');
    expect(svg).toContain('>Bag &#38; &#34;co&#34;</text>');
    expect(svg).toContain('embeddings of 2 classes: arcface (m 0.5 &#38; s 30); softmax (60 %).');
    expect(embeddingsSvg({ panels: [panel], classNames, title: '', caption: 'a < b' })).toContain(
      '>a &#60; b<',
    );
  });
});

test('both axes have one scale, y upwards, and rays go from the origin to the edge', () => {
  const side = Number(/<rect width="([\d.]+)" height="\1"/.exec(draw(panel))![1]);
  const [, ray0, ray1, class0, class1] = paths(draw(panel));
  const middle = expect.closeTo(side / 2, 1);
  expect(ray0!.points).toEqual([
    [middle, middle],
    [expect.closeTo(side, 1), middle],
  ]);
  expect(ray1!.points).toEqual([
    [middle, middle],
    [middle, expect.closeTo(side, 1)],
  ]);
  const reach = class0!.points[0]![0] - side / 2;
  expect(reach).toBeGreaterThan(0.4 * side);
  expect(class0!.points).toEqual([
    [expect.closeTo(side / 2 + reach, 1), middle],
    [middle, expect.closeTo(side / 2 - reach, 1)],
  ]);
  expect(class1!.points[0]).toEqual([expect.closeTo(side / 2 - reach, 1), middle]);
  expect([ray0!.stroke, ray1!.stroke]).toEqual([class0!.stroke, class1!.stroke]);
  expect(ray0!.stroke).not.toBe(ray1!.stroke);
});

test('the origin is in sight, and points that all lie there are drawn', () => {
  const far = { ...panel, points: Float32Array.of(5, 5, 6, 5, 5, 6, 6, 6) };
  for (const { points } of paths(draw(far))) {
    for (const [x, y] of points) expect(x >= 0 && x <= 220 && y >= 0 && y <= 220).toBe(true);
  }
  expect(draw({ ...panel, points: new Float32Array(8) })).not.toMatch(/NaN|Infinity/);
});

test('every one of 20 classes has a colour and shape of its own', () => {
  const names = Array.from({ length: 20 }, (_, label) => `class ${label}`);
  const labels = Int32Array.from(names, (_, label) => label);
  const points = Float32Array.from({ length: 40 }, (_, index) => Math.cos(index));
  const panels = [{ title: '', subtitle: '', points, labels }];
  const dots = embeddingsSvg({ panels, classNames: names, title: '' }).matchAll(
    /h0" stroke="([^"]+)" stroke-width="3.6" stroke-linecap="([^"]+)"/g,
  );
  expect(new Set([...dots].map(([, colour, shape]) => `${colour} ${shape}`)).size).toBe(20);
});

test('a panel of 500 points takes less than 15 kB', () => {
  const labels = Int32Array.from({ length: 500 }, (_, index) => index % 2);
  const points = Float32Array.from({ length: 1000 }, (_, index) => Math.sin(index * index) * index);
  const many = { ...panel, points, labels };
  expect(draw(many, many).length - draw(many).length).toBeLessThan(15_000);
});

test.each<[string, Partial<EmbeddingsPanel>]>([
  ['there are no points', { points: new Float32Array(), labels: new Int32Array() }],
  ['expected 4 points of 2 numbers, found 6 numbers', { points: new Float32Array(6) }],
  ['expected finite points', { points: new Float32Array(8).fill(NaN) }],
  ['expected labels in 0…1', { labels: Int32Array.of(0, 1, 2, 0) }],
  ['expected 2 finite directions of 2 numbers', { directions: new Float32Array(6) }],
])('is refused: %s', (message, change) => {
  expect(() => draw({ ...panel, ...change })).toThrow(
    expect.objectContaining({ code: 'INVALID_DATA', message: expect.stringContaining(message) }),
  );
});

test('without panels is refused', () => {
  expect(() => draw()).toThrow(expect.objectContaining({ code: 'INVALID_DATA' }));
});
