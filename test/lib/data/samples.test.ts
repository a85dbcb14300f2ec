/** Samples by number: which they are, and that their pixels are theirs. */
import {
  allOf,
  holdOut,
  imagesOf,
  labelsOf,
  rangeOf,
  type Samples,
  spreadOf,
} from '../../../lib/data/samples.js';
import type { Split } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';

/** Images of 1×2 pixels that hold their own number. */
function numbered(count: number, labelOf = (number: number) => number): Split {
  const data = Uint8Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? (i / 2) >> 8 : (i / 2) & 255));
  return {
    images: { data, shape: [count, 1, 2, 1] },
    labels: Int32Array.from({ length: count }, (_, i) => labelOf(i)),
  };
}

/** The number that each image holds. */
const numbersIn = (samples: Samples) => {
  const { data, shape } = imagesOf(samples);
  expect(shape).toEqual([samples.numbers.length, 1, 2, 1]);
  return Array.from({ length: data.length / 2 }, (_, i) => data[2 * i]! * 256 + data[2 * i + 1]!);
};

test('all of a split are a view of it', () => {
  const split = numbered(300);
  const samples = allOf(split);
  expect(numbersIn(samples)).toEqual([...split.labels]);
  expect(imagesOf(samples).data.buffer).toBe(split.images.data.buffer);
});

test('a part in order is a view, others are gathered', () => {
  const samples = allOf(numbered(300));
  const range = rangeOf(samples, 290, 400);
  expect(numbersIn(range)).toEqual([290, 291, 292, 293, 294, 295, 296, 297, 298, 299]);
  expect(imagesOf(range).data.buffer).toBe(samples.images.data.buffer);
  const some = { ...samples, numbers: Int32Array.of(299, 3, 3, 256) };
  expect(numbersIn(some)).toEqual([299, 3, 3, 256]);
  expect([...labelsOf(some)]).toEqual([299, 3, 3, 256]);
});

test.each([1, 5, 512])('all of %d samples are no more than 512', (count) => {
  const samples = allOf(numbered(count));
  expect(spreadOf(samples, 512)).toEqual(samples);
});

test.each([513, 1000, 1024, 6000])('512 of %d samples, evenly spread', (count) => {
  const { numbers } = spreadOf(allOf(numbered(count)), 512);
  const gaps = Array.from(numbers.subarray(1), (number, i) => number - numbers[i]!);
  expect(numbers).toHaveLength(512);
  expect(numbers[0]).toBe(0);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(Math.floor(count / 512));
  expect(Math.max(...gaps)).toBeLessThanOrEqual(Math.ceil(count / 512));
  expect(count - numbers.at(-1)!).toBeLessThanOrEqual(Math.ceil(count / 512));
});

test('of classes in order as many each', () => {
  const samples = allOf(numbered(6000, (number) => Math.floor(number / 600)));
  const counts = new Map<number, number>();
  for (const label of labelsOf(spreadOf(samples, 512))) counts.set(label, (counts.get(label) ?? 0) + 1);
  expect(counts.size).toBe(10);
  expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
});

test('a fraction of every class is held out, and nothing is in both parts', () => {
  const { kept, heldOut } = holdOut(
    numbered(100, (number) => number % 3),
    3,
    0.2,
  );
  expect([...kept.numbers, ...heldOut.numbers].sort((a, b) => a - b)).toEqual([...Array(100).keys()]);
  const perClass = [0, 1, 2].map((label) => labelsOf(heldOut).filter((each) => each === label).length);
  expect(perClass).toEqual([6, 6, 6]); // of 34, 33 and 33
});

test('a fraction that holds out nothing is refused', async () => {
  const error = await refusal(() =>
    holdOut(
      numbered(10, (number) => number % 5),
      5,
      0.1,
    ),
  );
  expect(error.code).toBe('INVALID_DATA');
  expect(error.message).toContain('no class has 10');
});

test('an array whose memory was transferred away is refused', async () => {
  const samples = allOf(numbered(10));
  structuredClone(samples.images.data.buffer, { transfer: [samples.images.data.buffer as ArrayBuffer] });
  for (const some of [samples, { ...samples, numbers: Int32Array.of(3, 1) }]) {
    const error = await refusal(() => imagesOf(some));
    expect(error.code).toBe('INVALID_DATA');
    expect(error.message).toContain('was transferred away');
  }
});
