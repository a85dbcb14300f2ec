/** Copies of plain data: they share no memory, and what is not plain is refused. */
import { copyOf } from '../../../lib/base/copy.js';
import { relu, sequential } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';

test.each<[string, { readonly [index: number]: number }]>([
  ['an array', [1, 2, 3]],
  ['a Float32Array', new Float32Array([1, 2, 3])],
  ['a part of one', new Float64Array([0, 1, 2, 3]).subarray(1)],
  ['a Buffer', Buffer.from([1, 2, 3])],
  ['shared memory', new Uint8Array(new SharedArrayBuffer(3)).fill(1)],
])('%s is copied', (_, numbers) => {
  const given = { numbers };
  const copy = copyOf(given, 'given');
  expect(copy).toEqual(given);
  const before = Array.from(numbers as ArrayLike<number>);
  (numbers as number[])[0] = 7;
  expect(Array.from(copy.numbers as ArrayLike<number>)).toEqual(before);
});

test('what occurs in itself does so in the copy, and functions are kept', () => {
  const given: Record<string, unknown> = { call: () => 1 };
  given.self = given;
  const copy = copyOf(given, 'given');
  expect(copy).not.toBe(given);
  expect(copy.self).toBe(copy);
  expect(copy.call).toBe(given.call);
});

const throwing = {
  get bias(): never {
    throw new TypeError('no');
  },
};

test.each([
  ['a DataView', { of: new DataView(new ArrayBuffer(8)) }],
  ['a Map', { of: new Map() }],
  ['a Date', [new Date()]],
  ['a getter that throws', { of: throwing }],
])('%s is refused', async (_, given) => {
  expect(await refusal(() => copyOf(given, 'given'))).toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining('plain data for given'),
  });
});

test('a layer that throws is refused as a layer', async () => {
  const layers = [
    relu(),
    Object.defineProperties({ type: 'linear' }, Object.getOwnPropertyDescriptors(throwing)),
  ];
  expect(await refusal(() => sequential(layers as never))).toMatchObject({
    code: 'INVALID_OPTION',
    details: { option: 'sequential.layers' },
  });
});
