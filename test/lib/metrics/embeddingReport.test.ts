/** Neighbours, centres and angles of embeddings, by hand. That they agree with other libraries: test/parity/measures.test.ts. */
import { type EmbeddingReportOptions, type Embeddings, embeddingReport } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';

/** Embeddings in the plane, by angles in degrees; of different lengths. */
function plane(...degrees: number[]): Embeddings {
  const data = degrees.flatMap((angle, n) => {
    const radians = (angle * Math.PI) / 180;
    return [(n + 1) * Math.cos(radians), (n + 1) * Math.sin(radians)];
  });
  return { data: Float32Array.from(data), shape: [degrees.length, 2] };
}

const rows = (data: number[], size: number): Embeddings => ({
  data: Float32Array.from(data),
  shape: [data.length / size, size],
});

const report = (
  embeddings: Embeddings,
  labels: ArrayLike<number | string>,
  options: EmbeddingReportOptions = {},
) => embeddingReport(embeddings, labels, { device: 'cpu', ...options });

test('neighbours and centres by hand, a sample itself left out', async () => {
  // a: 0°, 10°, 50°; b: 61°, 81°; c, alone: 200°
  const found = await report(plane(0, 10, 50, 61, 81, 200), ['a', 'a', 'a', 'b', 'b', 'c'], { k: [1, 2, 3] });
  expect(found).toMatchObject({ samples: 6, numClasses: 3, withoutDirection: 0, lone: 1 });
  // The three nearest, in their order: aab aab bba aba baa bba
  expect(found.rank1).toBeCloseTo(3 / 5, 12);
  // R is 2 of an a, 1 of a b.
  expect(found.rPrecision).toBeCloseTo((1 + 1 + 0 + 0 + 1) / 5, 12);
  expect(found.mapAtR).toBeCloseTo((1 + 1 + 0 + 0 + 1) / 5, 12);
  // Of two that differ the nearest decides.
  expect(found.knn).toEqual([
    { k: 1, accuracy: 3 / 6 },
    { k: 2, accuracy: 3 / 6 },
    { k: 3, accuracy: 2 / 6 },
  ]);
  // Centres near 20°, at 71° and at 200°: 50° is nearer to b's.
  expect(found.nearestCentroid).toBeCloseTo(5 / 6, 12);
  expect(Array.from(found.angles!.own.subarray(3), Math.round)).toEqual([10, 10, 0]);
});

test('average precision stops at R', async () => {
  // Of the query at 0°: a at 1°, b at 2°, a at 3°, a at 4°: R is 3, precision 1 and 2/3 at its places.
  const { mapAtR, rPrecision } = await report(plane(0), ['a'], {
    gallery: { embeddings: plane(4, 1, 2, 3), labels: ['a', 'a', 'b', 'a'] },
  });
  expect(mapAtR).toBeCloseTo((1 + 2 / 3) / 3, 12);
  expect(rPrecision).toBeCloseTo(2 / 3, 12);
});

test('a gallery: nothing is left out, classes that are not there are counted', async () => {
  const gallery = { embeddings: plane(0, 90), labels: [7, 8] };
  const found = await report(plane(0, 80, 80, 85), [7, 8, 7, 9], { gallery, k: [1] });
  expect(found).toMatchObject({ samples: 4, numClasses: 2, lone: 1, rank1: 2 / 3, nearestCentroid: 1 / 2 });
  expect(found.knn).toEqual([{ k: 1, accuracy: 1 / 2 }]);
  expect(Array.from(found.angles!.own, Math.round)).toEqual([0, 10, 80, Number.NaN]);
  expect(Array.from(found.angles!.nearestOther, Math.round)).toEqual([90, 80, 10, 5]);
  expect(found.angles!.ownCentreMean).toBeCloseTo(30, 4);
  expect(found.angles!.nearestOtherCentreMean).toBeCloseTo(90, 4);
});

test('all equal: neighbours by number, the class that appears first', async () => {
  const found = await report(rows([1, 0, 1, 0, 1, 0, 1, 0], 2), [1, 0, 0, 1], { k: [1, 2] });
  // The nearest others: [1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2] of classes 1 0 0 1.
  expect(found).toMatchObject({ rank1: 1 / 4, rPrecision: 1 / 4, mapAtR: 1 / 4, nearestCentroid: 1 / 2 });
  expect(found.angles).toMatchObject({ ownCentreMean: 0, nearestOtherCentreMean: 0 });
});

test('one class', async () => {
  const found = await report(plane(0, 120, 240.5), [3, 3, 3]);
  expect(found).toMatchObject({ numClasses: 1, rank1: 1, rPrecision: 1, mapAtR: 1, nearestCentroid: 1 });
  expect(found.angles).toBeUndefined();
});

test('one sample has neither neighbours nor others of its class', async () => {
  const found = await report(plane(30), ['a'], { k: [1] });
  expect(found).toEqual({
    ...{ samples: 1, numClasses: 1, withoutDirection: 0, lone: 1, nearestCentroid: 1 },
    knn: [{ k: 1, accuracy: 0 }],
    ...{ rank1: undefined, rPrecision: undefined, mapAtR: undefined, angles: undefined },
  });
});

test('zeros are nobody’s neighbour and wrong, yet others of their class', async () => {
  const found = await report(rows([1, 0, 1, 0, 0, 0, 0, 1], 2), ['a', 'a', 'a', 'b'], { k: [1] });
  expect(found).toMatchObject({ withoutDirection: 1, lone: 1, rank1: 2 / 3, nearestCentroid: 3 / 4 });
  expect(found.rPrecision).toBeCloseTo((1 / 2 + 1 / 2 + 0) / 3, 12);
  expect(found.angles!.own[2]).toBe(90);
  const nothing = await report(rows([0, 0, 0, 0], 2), ['a', 'b']);
  expect(nothing).toMatchObject({ withoutDirection: 2, nearestCentroid: 0, knn: [{ accuracy: 0 }, {}, {}] });
  expect(nothing.angles).toMatchObject({ ownCentreMean: 90, nearestOtherCentreMean: 90 });
});

test('embeddings of any length have directions', async () => {
  const tiny = rows([1e-30, 0, 1e30, 1e28, 0, 2e-38, 1e25, 3e38], 2);
  expect(await report(tiny, [0, 0, 1, 1])).toMatchObject({
    withoutDirection: 0,
    rank1: 1,
    nearestCentroid: 1,
  });
});

test.each<[string, Embeddings, unknown, EmbeddingReportOptions, string, string]>([
  ['no samples', { data: new Float32Array(), shape: [0, 2] }, [], {}, 'INVALID_DATA', 'found none'],
  ['NaN', rows([1, 0, 0, Number.NaN], 2), [0, 1], {}, 'INVALID_DATA', 'found NaN in embedding 1'],
  ['Infinity', rows([1, -1 / 0], 2), [0], {}, 'INVALID_DATA', 'found -Infinity in embedding 0'],
  ['labels too few', plane(0, 1), [0], {}, 'INVALID_OPTION', '2, one for each embedding, for labels'],
  ['labels that are none', plane(0), 'a', {}, 'INVALID_OPTION', 'an array of classes for labels'],
  ['a label that is none', plane(0, 1), [0, Number.NaN], {}, 'INVALID_DATA', 'found NaN for embedding 1'],
  ['numbers too few', { data: new Float32Array(3), shape: [2, 2] }, [0, 0], {}, 'SHAPE_MISMATCH', 'found 3'],
  ['k', plane(0), [0], { k: [0] }, 'INVALID_OPTION', 'for k[0]'],
  [
    'a gallery of another size',
    plane(0),
    [0],
    { gallery: { embeddings: rows([1], 1), labels: [0] } },
    'SHAPE_MISMATCH',
    'expected 2 numbers each',
  ],
  [
    'a gallery of none',
    plane(0),
    [0],
    { gallery: { embeddings: rows([], 2), labels: [] } },
    'INVALID_DATA',
    'gallery.embeddings: expected some',
  ],
  [
    'labels of a gallery',
    plane(0),
    [0],
    { gallery: { embeddings: plane(0), labels: [] } },
    'INVALID_OPTION',
    'for gallery.labels',
  ],
])('refuses %s', async (_, embeddings, labels, options, code, said) => {
  const error = await refusal(() => report(embeddings, labels as number[], options));
  expect([error.code, error.message]).toEqual([code, expect.stringContaining(said)]);
});

test('a signal ends it with its reason while the event loop goes on', async () => {
  const count = 20_000;
  const data = Float32Array.from({ length: count * 128 }, (_, at) => ((at * 7919) % 10_007) - 5000);
  const labels = Int32Array.from({ length: count }, (_, sample) => sample % 5);
  const controller = new AbortController();
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
    if (turns === 5) controller.abort('enough');
  }, 10);
  const work = report({ data, shape: [count, 128] }, labels, { signal: controller.signal });
  await expect(work).rejects.toBe('enough');
  clearInterval(timer);
  expect(turns).toBeLessThan(10); // no long wait after the fifth
});
