import { datasets } from '../../../lib/data/index.js';

const BYTES = Uint8Array.from({ length: 8 }, (_, index) => index * 30);
const EXPECTED = {
  name: 'arrays',
  train: { images: { data: BYTES, shape: [2, 2, 2, 1] }, labels: Int32Array.of(0, 1) },
  classNames: ['0', '1'],
  numClasses: 2,
};

test('bytes with a shape beside them', () => {
  expect(datasets.fromArrays({ images: BYTES, shape: [2, 2, 2, 1], labels: [0, 1] })).toStrictEqual(EXPECTED);
});

test('a Buffer and a clamped array', () => {
  for (const images of [Buffer.from(BYTES), Uint8ClampedArray.from(BYTES)]) {
    expect(datasets.fromArrays({ images, shape: [2, 2, 2, 1], labels: [0, 1] })).toStrictEqual(EXPECTED);
  }
});

test('images that have their shape, test data, class names', () => {
  const dataset = datasets.fromArrays({
    images: { data: BYTES, shape: [2, 2, 2, 1] },
    labels: Uint8Array.of(0, 1),
    classNames: ['cat', 'dog'],
    test: { images: BYTES.subarray(4), shape: [1, 2, 2, 1], labels: [1] },
  });
  expect(dataset).toStrictEqual({
    ...EXPECTED,
    classNames: ['cat', 'dog'],
    test: { images: { data: BYTES.slice(4), shape: [1, 2, 2, 1] }, labels: Int32Array.of(1) },
  });
});

test.each([
  ['no options', undefined, 'Expected an object of images, shape, labels, classNames, test for fromArrays'],
  ['no images', { labels: [0, 1] }, 'for fromArrays.images but received undefined'],
  ['no shape', { images: BYTES, labels: [0, 1] }, 'for fromArrays.images.shape but received undefined'],
  [
    'two shapes',
    { images: { data: BYTES, shape: [2, 2, 2, 1] }, shape: [2, 2, 2, 1], labels: [0, 1] },
    'Expected no second shape beside images that have one for fromArrays.shape',
  ],
  [
    'an unknown option',
    { images: BYTES, shape: [2, 2, 2, 1], label: [0, 1] },
    "for fromArrays.label but received [0,1] of type array. Did you mean 'labels'?",
  ],
  [
    'test data that are no object',
    { images: BYTES, shape: [2, 2, 2, 1], labels: [0, 1], test: 5 },
    'for fromArrays.test but received 5',
  ],
])('%s: INVALID_OPTION', (_, options, message) => {
  const call = () => datasets.fromArrays(options as Parameters<typeof datasets.fromArrays>[0]);
  expect(call).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  expect(call).toThrow(message);
});
