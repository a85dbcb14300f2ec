import fc from 'fast-check';
import { allPairs, calibrateThreshold } from '../../../lib/index.js';
import { randomNumbers } from '../../support/randomModel.js';
import { refusal } from '../../support/refusal.js';

const rates = (cosines: Float32Array, isSame: readonly boolean[], threshold: number) => {
  const share = (kind: boolean) => {
    const of = [...cosines].filter((_, pair) => isSame[pair] === kind);
    return of.filter((cosine) => cosine >= threshold).length / of.length;
  };
  return { far: share(false), tar: share(true) };
};

test('the false accepts of four different pairs', () => {
  const cosines = Float32Array.of(0.9, 0.5, 0.25, 0.8, 0.6, 0.4, 0.2);
  const isSame = [true, true, true, false, false, false, false];
  expect(calibrateThreshold(cosines, isSame, { far: 0.25 })).toMatchObject({
    far: 0.25,
    tar: 1 / 3,
    same: 3,
    different: 4,
  });
  // Nothing below a quarter can be told from none at all.
  const strict = calibrateThreshold(cosines, isSame, { far: 0.2 });
  expect(strict).toMatchObject({ far: 0, tar: 1 / 3 });
  expect(strict.threshold).toBeGreaterThan(Math.fround(0.8));
  expect(strict.threshold).toBeLessThan(0.8001);
  expect(calibrateThreshold(cosines, isSame, { far: 1 })).toMatchObject({ threshold: -1, far: 1, tar: 1 });
});

test('equal cosines are accepted together or not at all', () => {
  const cosines = Float32Array.of(0.5, 0.5, 0.5, 0.5, 0.1);
  const isSame = [true, false, false, false, false];
  expect(calibrateThreshold(cosines, isSame, { far: 0.5 })).toMatchObject({ far: 0, tar: 0 });
  expect(calibrateThreshold(cosines, isSame, { far: 0.75 })).toMatchObject({ far: 0.75, tar: 1 });
});

test('a rate that is a share of the pairs is kept to the pair', () => {
  for (const total of [100, 1000, 7]) {
    const cosines = Float32Array.from({ length: total + 1 }, (_, pair) => pair / (total + 1));
    const isSame = Array.from(cosines, (_, pair) => pair === total);
    for (let accepted = 0; accepted <= total; accepted++) {
      expect(calibrateThreshold(cosines, isSame, { far: accepted / total }).far).toBe(accepted / total);
    }
  }
});

test('beyond a cosine of 1 there is no threshold', async () => {
  const cosines = Float32Array.of(1, 0.9, 0.1);
  const call = () => calibrateThreshold(cosines, [false, true, false], { far: 0.4 });
  expect(await refusal(call)).toMatchObject({
    code: 'INVALID_DATA',
    message: expect.stringContaining('copies'),
  });
  expect(calibrateThreshold(cosines, [false, true, false], { far: 0.5 }).threshold).toBeLessThanOrEqual(1);
});

test('of all thresholds it is the lowest that keeps the rate', () => {
  const some = fc.array(fc.tuple(fc.float({ min: -1, max: Math.fround(0.97), noNaN: true }), fc.boolean()), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(some, fc.double({ min: 0, max: 1, noNaN: true }), (pairs, far) => {
      // One pair of either kind is always there, and few values, so that many are equal.
      const all = [[0.3, true] as const, [0.1, false] as const, ...pairs];
      const cosines = Float32Array.from(all, ([cosine]) => Math.round(cosine * 20) / 20);
      const isSame = all.map(([, same]) => same);
      const found = calibrateThreshold(cosines, isSame, { far });
      expect(found).toMatchObject(rates(cosines, isSame, found.threshold));
      expect(found.far).toBeLessThanOrEqual(far);
      for (const lower of cosines.filter((cosine) => cosine < found.threshold)) {
        expect(rates(cosines, isSame, lower).far).toBeGreaterThan(far);
      }
    }),
  );
});

test('all pairs of embeddings', async () => {
  const [count, size] = [300, 5];
  const data = randomNumbers(count * size, 3);
  const labels = Array.from({ length: count }, (_, index) => `label ${index % 7}`);
  const { cosines, isSame } = await allPairs({ data, shape: [count, size] }, labels, { device: 'cpu' });
  const row = (index: number) => data.subarray(index * size, (index + 1) * size);
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, axis) => sum + value * b[axis]!, 0);
  let pair = 0;
  let worst = 0;
  for (let a = 0; a < count; a++) {
    for (let b = a + 1; b < count; b++) {
      const exact = dot(row(a), row(b)) / Math.sqrt(dot(row(a), row(a)) * dot(row(b), row(b)));
      worst = Math.max(worst, Math.abs(exact - cosines[pair]!));
      if ((labels[a] === labels[b] ? 1 : 0) !== isSame[pair]) throw new Error(`pair ${a}, ${b}`);
      pair++;
    }
  }
  expect(worst).toBeLessThan(1e-6);
  expect([cosines.length, isSame.length]).toEqual([pair, pair]);
});

test.each([
  ['a rate above 1', Float32Array.of(0.1, 0.2), [true, false], { far: 1.5 }, 'INVALID_OPTION'],
  ['no rate', Float32Array.of(0.1, 0.2), [true, false], {}, 'INVALID_OPTION'],
  ['only pairs of the same', Float32Array.of(0.1, 0.2), [true, true], { far: 0.1 }, 'INVALID_DATA'],
  ['no pairs', Float32Array.of(), [], { far: 0.1 }, 'INVALID_DATA'],
  ['NaN', Float32Array.of(0.1, Number.NaN), [true, false], { far: 0.1 }, 'INVALID_DATA'],
  ['an angle', Float32Array.of(0.1, 60), [true, false], { far: 0.1 }, 'INVALID_DATA'],
  ['fewer labels', Float32Array.of(0.1, 0.2), [true], { far: 0.1 }, 'INVALID_OPTION'],
  ['a plain array', [0.1, 0.2], [true, false], { far: 0.1 }, 'INVALID_OPTION'],
])('%s is refused', async (_, cosines, isSame, options, code) => {
  expect(await refusal(() => calibrateThreshold(cosines as never, isSame, options as never))).toMatchObject({
    code,
  });
});

const two = (data: Float32Array | Float64Array, shape: unknown) => ({ data, shape });

test.each([
  ['nothing', undefined, [0, 1], 'INVALID_OPTION'],
  ['no labels', two(Float32Array.of(1, 0, 0, 1), [2, 2]), undefined, 'INVALID_OPTION'],
  ['a label too few', two(Float32Array.of(1, 0, 0, 1), [2, 2]), [0], 'INVALID_OPTION'],
  ['fp64', two(Float64Array.of(1, 0, 0, 1), [2, 2]), [0, 1], 'INVALID_OPTION'],
  ['no numbers', two(Float32Array.of(), [2, 0]), [0, 1], 'INVALID_OPTION'],
  ['fewer than the shape says', two(Float32Array.of(1, 0, 0, 1), [3, 2]), [0, 1, 2], 'SHAPE_MISMATCH'],
  ['more than the shape says', two(Float32Array.of(1, 0, 0, 1, 1, 1), [2, 2]), [0, 1], 'SHAPE_MISMATCH'],
  ['one', two(Float32Array.of(1, 0), [1, 2]), [0], 'INVALID_DATA'],
  ['a zero', two(Float32Array.of(1, 0, 0, 0), [2, 2]), [0, 1], 'INVALID_DATA'],
  ['too many', two(new Float32Array(8193), [8193, 1]), new Uint8Array(8193), 'UNSUPPORTED'],
])('no pairs of %s', async (_, embeddings, labels, code) => {
  expect(
    await refusal(() => allPairs(embeddings as never, labels as never, { device: 'cpu' })),
  ).toMatchObject({
    code,
  });
});
