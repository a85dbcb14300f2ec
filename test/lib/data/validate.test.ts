import type { DataInput } from '../../../lib/data/types.js';
import { checkDataset } from '../../../lib/data/validate.js';

/** Three images of 2×2 pixels and two channels. */
function arrays() {
  return {
    images: { data: Uint8Array.from({ length: 24 }, (_, index) => index), shape: [3, 2, 2, 2] },
    labels: [2, 0, 1] as unknown,
  };
}

/** Arrays are given untyped, as JavaScript gives them. */
function check(input: unknown) {
  return checkDataset(input as DataInput, 'data');
}

function expectRefusal(input: unknown, code: string, message: string) {
  expect(() => check(input)).toThrow(expect.objectContaining({ name: 'MarginCoreError', code }));
  expect(() => check(input)).toThrow(message);
}

function withImages(data: unknown, shape: unknown) {
  return { ...arrays(), images: { data, shape } };
}

/** Pixels in place of the right ones, with the right shape. */
function withPixels(data: unknown) {
  return withImages(data, arrays().images.shape);
}

function withLabels(labels: unknown, classNames?: unknown) {
  return { ...arrays(), labels, ...(classNames !== undefined && { classNames }) };
}

describe('what is accepted', () => {
  test('objects of a class, whose fields are getters', () => {
    class Split {
      get images() {
        return arrays().images;
      }
      get labels() {
        return arrays().labels;
      }
    }
    expect(check(new Split()).train).toEqual(check(arrays()).train);
  });

  test('arrays, with classes named by number', () => {
    expect(check(arrays())).toStrictEqual({
      name: 'arrays',
      train: { images: arrays().images, labels: Int32Array.of(2, 0, 1) },
      classNames: ['0', '1', '2'],
      numClasses: 3,
    });
  });

  test('class names, also more than occur', () => {
    const classNames = ['a', 'b', 'c', 'd'];
    expect(check({ ...arrays(), classNames })).toMatchObject({ classNames, numClasses: 4 });
  });

  test('a single class counts as two', () => {
    expect(check(withLabels([0, 0, 0])).numClasses).toBe(2);
  });

  test('a data set that was already checked', () => {
    const checked = check({ ...arrays(), test: arrays() });
    expect(check(checked)).toEqual(checked);
  });

  test.each([
    ['of a Buffer', (bytes: Uint8Array) => Buffer.from(bytes)],
    ['of a Uint8ClampedArray', (bytes: Uint8Array) => Uint8ClampedArray.from(bytes)],
    ['of a part of a larger buffer', (bytes: Uint8Array) => Buffer.from([9, ...bytes, 9]).subarray(1, -1)],
  ])('pixels become a plain Uint8Array: %s', (_, pack) => {
    const { data } = check(withPixels(pack(arrays().images.data))).train.images;
    expect(data).toStrictEqual(arrays().images.data);
    expect(Buffer.isBuffer(data)).toBe(false);
  });

  test.each([
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
  ])('labels in a %p', (Type) => {
    expect(check(withLabels(Type.from([2, 0, 1]))).train.labels).toStrictEqual(Int32Array.of(2, 0, 1));
  });

  test('labels and class names are copies, pixels are not', () => {
    const input = { ...arrays(), labels: Int32Array.of(2, 0, 1), classNames: ['a', 'b', 'c'] };
    const { train, classNames } = check(input);
    input.labels[0] = 99;
    input.classNames[0] = 'z';
    input.images.data[0] = 99;
    expect(train.labels[0]).toBe(2);
    expect(classNames[0]).toBe('a');
    expect(train.images.data[0]).toBe(99);
  });
});

describe('the form of the data', () => {
  test.each([
    [undefined, 'Expected an object of images, labels, classNames, test for data but received undefined'],
    [null, 'for data but received null'],
    [[1, 2], 'for data but received [1,2] of type array'],
    [new Uint8Array(3), 'for data but received Uint8Array(3)'],
    [{}, 'Expected an object of data, shape for data.images but received undefined'],
    [{ ...arrays(), images: new Uint8Array(24) }, 'for data.images but received Uint8Array(24)'],
    [{ ...arrays(), test: null }, 'Expected an object of images, labels for data.test but received null'],
    [
      { ...arrays(), clasNames: ['a'] },
      'for data.clasNames but received ["a"] of type array. Did you mean \'classNames\'?',
    ],
    [{ ...arrays(), classNames: 'abc' }, 'Expected an array of strings for data.classNames'],
    [{ ...arrays(), classNames: ['a', 'b', 3] }, 'Expected an array of strings for data.classNames'],
  ])('%#: INVALID_OPTION', (input, message) => expectRefusal(input, 'INVALID_OPTION', message));

  test('one class name', () => {
    expectRefusal(
      { ...arrays(), classNames: ['a'] },
      'INVALID_DATA',
      'data.classNames: expected 2 to 4194304 names, found 1',
    );
  });

  test('a data set by hand', () => {
    const checked = check(arrays());
    expectRefusal(
      { ...checked, numClasses: 4 },
      'INVALID_DATA',
      'data.numClasses: expected 3, the number of',
    );
    expectRefusal({ ...checked, name: 7 }, 'INVALID_OPTION', 'Expected a string for data.name');
    expectRefusal({ ...checked, train: 7 }, 'INVALID_OPTION', 'of images, labels for data.train but');
    expectRefusal({ ...checked, classNames: undefined }, 'INVALID_OPTION', 'strings for data.classNames');
    expectRefusal({ ...checked, labels: [] }, 'INVALID_OPTION', 'there is no such option) for data.labels');
    const train = { ...checked.train, labels: [0, 1, 3] };
    expectRefusal({ ...checked, train }, 'INVALID_DATA', 'data.train.labels: label of sample 2: expected');
  });
});

describe('pixels', () => {
  test.each([
    [new Float32Array(24), 'multiply values of 0…1 by 255'],
    [new Float64Array(24), 'multiply values of 0…1 by 255'],
    [new Int32Array(24), 'Uint8Array.from(values) makes them'],
    [new Int8Array(24), 'Expected a Uint8Array for data.images.data but received Int8Array(24)'],
    [new DataView(new ArrayBuffer(24)), 'Expected a Uint8Array for data.images.data'],
    [new ArrayBuffer(24), 'Expected a Uint8Array for data.images.data'],
    [new Array(24).fill(0), 'Expected a Uint8Array for data.images.data'],
    [undefined, 'Expected a Uint8Array for data.images.data but received undefined'],
  ])('%#: of another type', (pixels, message) => {
    expectRefusal(withPixels(pixels), 'INVALID_OPTION', message);
  });

  test.each([23, 25, 0])('%d bytes for 24', (length) => {
    expectRefusal(
      withPixels(new Uint8Array(length)),
      'INVALID_DATA',
      `data.images.data: expected 24 bytes for shape [3, 2, 2, 2], found ${length}`,
    );
  });

  test('whose buffer was transferred', () => {
    const input = arrays();
    const { buffer } = input.images.data;
    structuredClone(buffer, { transfer: [buffer] });
    expectRefusal(
      input,
      'INVALID_DATA',
      'data.images.data: expected an array with its memory, found one whose',
    );
  });

  test('in shared memory', () => {
    const pixels = new Uint8Array(new SharedArrayBuffer(24));
    expectRefusal(
      withPixels(pixels),
      'INVALID_DATA',
      'found a SharedArrayBuffer, which another thread could',
    );
    expect(check(withPixels(new Uint8Array(pixels))).numClasses).toBe(3); // the remedy that the message names
  });
});

describe('shapes', () => {
  test.each([
    [
      undefined,
      'INVALID_OPTION',
      'Expected an array [N, H, W, C] for data.images.shape but received undefined',
    ],
    [[3, 2, 4], 'INVALID_OPTION', 'Images without a channel dimension have C = 1'],
    [['3', 2, 2, 2], 'INVALID_OPTION', 'Expected an array [N, H, W, C]'],
    [[3, 2, 2, 2.5], 'INVALID_DATA', 'expected [N, H, W, C] of whole numbers above 0, found [3, 2, 2, 2.5]'],
    [[-3, -2, 2, 2], 'INVALID_DATA', 'whole numbers above 0'],
    [[3, 2, Number.NaN, 2], 'INVALID_DATA', 'whole numbers above 0'],
    [[1, 1, 1, 24], 'INVALID_DATA', 'channels last, with C up to 16, found [1, 1, 1, 24]'],
  ])('%p', (shape, code, message) => {
    expectRefusal(withImages(new Uint8Array(24), shape), code, message);
  });

  test('no image at all', () => {
    const empty = { images: { data: new Uint8Array(0), shape: [0, 2, 2, 2] }, labels: [] };
    expectRefusal(empty, 'INVALID_DATA', 'whole numbers above 0, found [0, 2, 2, 2]');
  });

  test('another image size in the test data', () => {
    const test = { images: { data: new Uint8Array(24), shape: [6, 2, 1, 2] }, labels: new Array(6).fill(0) };
    expectRefusal(
      { ...arrays(), test },
      'INVALID_DATA',
      'data.test.images.shape: expected [H, W, C] = [2, 2, 2] as in the training images, found [2, 1, 2]',
    );
  });
});

describe('labels', () => {
  const names = ['a', 'b', 'c'];

  test.each([
    [[0, 1, 3], names, 'data.labels: label of sample 2: expected an integer in 0…2, found 3'],
    [[0, -1, 3], names, 'label of sample 1: expected an integer in 0…2, found -1'],
    [[0, 1, Number.NaN], names, 'label of sample 2: expected an integer in 0…2, found NaN'],
    [[0.5, 1, 2], names, 'label of sample 0: expected an integer in 0…2, found 0.5'],
    [[0, '1', 2], names, "label of sample 1: expected an integer in 0…2, found '1'"],
    [[0, undefined, 2], names, 'label of sample 1: expected an integer in 0…2, found undefined'],
    [[0, 1n, 2], names, 'label of sample 1: expected an integer in 0…2, found 1n'],
    [
      [
        [1, 0],
        [0, 1],
        [1, 0],
      ],
      names,
      'label of sample 0: expected an integer in 0…2, found ',
    ],
    [
      Float32Array.of(0, 1, Number.NaN),
      undefined,
      'label of sample 2: expected an integer in 0…4194303, found NaN',
    ],
    [Int32Array.of(0, 1, 4194304), undefined, 'label of sample 2: expected an integer in 0…4194303'],
  ])('%#: one that is no class', (labels, classNames, message) => {
    expectRefusal(withLabels(labels, classNames), 'INVALID_DATA', message);
  });

  test('the error carries the number of the sample', () => {
    expect(() => check(withLabels([0, 1, 7], names))).toThrow(
      expect.objectContaining({ details: { sample: 2, expected: 'an integer in 0…2', found: '7' } }),
    );
  });

  test.each([[[0, 1]], [[0, 1, 2, 0]], [[]], [new Int32Array(2)]])('%p for three images', (labels) => {
    expectRefusal(
      withLabels(labels),
      'INVALID_DATA',
      `data.labels: expected 3 labels, one per image, found ${labels.length}`,
    );
  });

  test.each([undefined, null, '201', { length: 3 }, new BigInt64Array(3), new DataView(new ArrayBuffer(3))])(
    '%#: of another type',
    (labels) => {
      expectRefusal(
        withLabels(labels),
        'INVALID_OPTION',
        'Expected an array of class numbers or an Int32Array',
      );
    },
  );

  test('whose buffer was transferred, or is shared', () => {
    const labels = Int32Array.of(2, 0, 1);
    structuredClone(labels.buffer, { transfer: [labels.buffer] });
    expectRefusal(withLabels(labels), 'INVALID_DATA', 'data.labels: expected an array with its memory');
    const shared = new Int32Array(new SharedArrayBuffer(12));
    expectRefusal(withLabels(shared), 'INVALID_DATA', 'data.labels: expected memory of its own');
  });

  test('of the test data, within the classes of training', () => {
    expectRefusal(
      { ...arrays(), test: withLabels([0, 3, 1]) },
      'INVALID_DATA',
      'data.test.labels: label of sample 1: expected an integer in 0…2, found 3',
    );
  });
});
