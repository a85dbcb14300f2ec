import { mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { datasets } from '../../../../lib/data/index.js';
import { counting, idxBytes } from '../../../support/idxBytes.js';
import { temporaryFolder } from '../../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

const TRAIN_IMAGES = idxBytes([3, 2, 2], counting(12));
const TRAIN_LABELS = idxBytes([3], [2, 0, 1]);
const TEST_IMAGES = idxBytes([2, 2, 2], counting(8));
const TEST_LABELS = idxBytes([2], [1, 2]);

function write(files: Record<string, Uint8Array>): string {
  const folder = inFolder('digits');
  mkdirSync(folder);
  for (const [name, bytes] of Object.entries(files)) writeFileSync(inFolder('digits', name), bytes);
  return folder;
}

const EXPECTED = {
  name: 'digits',
  train: { images: { data: counting(12), shape: [3, 2, 2, 1] }, labels: Int32Array.of(2, 0, 1) },
  test: { images: { data: counting(8), shape: [2, 2, 2, 1] }, labels: Int32Array.of(1, 2) },
  classNames: ['0', '1', '2'],
  numClasses: 3,
};

test.each([
  ['the published names, gzipped', '-', '.gz'],
  ['the published names, plain', '-', ''],
  ['names with a dot, gzipped', '.', '.gz'],
  ['names with a dot, plain', '.', ''],
])('%s', async (_, separator, extension) => {
  const pack = (bytes: Buffer) => (extension === '' ? bytes : gzipSync(bytes));
  const folder = write({
    [`train-images${separator}idx3-ubyte${extension}`]: pack(TRAIN_IMAGES),
    [`train-labels${separator}idx1-ubyte${extension}`]: pack(TRAIN_LABELS),
    [`t10k-images${separator}idx3-ubyte${extension}`]: pack(TEST_IMAGES),
    [`t10k-labels${separator}idx1-ubyte${extension}`]: pack(TEST_LABELS),
  });
  expect(await datasets.idx(folder)).toEqual(EXPECTED);
});

test('no test set', async () => {
  const folder = write({ 'train-images-idx3-ubyte': TRAIN_IMAGES, 'train-labels-idx1-ubyte': TRAIN_LABELS });
  const { test: _, ...withoutTest } = EXPECTED;
  expect(await datasets.idx(folder)).toStrictEqual(withoutTest);
});

test('a missing file: the names that were looked for', async () => {
  const folder = write({ 'train-images-idx3-ubyte': TRAIN_IMAGES });
  await expect(datasets.idx(folder)).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
    message:
      `${folder}: expected a file of train labels, found none of train-labels-idx1-ubyte, ` +
      'train-labels-idx1-ubyte.gz, train-labels.idx1-ubyte, train-labels.idx1-ubyte.gz',
  });
});

test('half a test set', async () => {
  const folder = write({
    'train-images-idx3-ubyte': TRAIN_IMAGES,
    'train-labels-idx1-ubyte': TRAIN_LABELS,
    't10k-labels-idx1-ubyte.gz': gzipSync(TEST_LABELS),
  });
  await expect(datasets.idx(folder)).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
    message: expect.stringContaining('expected a file of test images, found none of t10k-images-idx3-ubyte,'),
  });
});

test('a class that only the test set has', async () => {
  const folder = write({
    'train-images-idx3-ubyte': TRAIN_IMAGES,
    'train-labels-idx1-ubyte': TRAIN_LABELS,
    't10k-images-idx3-ubyte': TEST_IMAGES,
    't10k-labels-idx1-ubyte': idxBytes([2], [1, 3]),
  });
  await expect(datasets.idx(folder)).rejects.toMatchObject({
    code: 'INVALID_DATA',
    message: `datasets.idx("${folder}").test.labels: label of sample 1: expected an integer in 0…2, found 3`,
  });
});

test('a folder that does not exist, and a file in its place', async () => {
  await expect(datasets.idx(inFolder('nowhere'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  writeFileSync(inFolder('file'), '');
  await expect(datasets.idx(inFolder('file'))).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
    message: `${inFolder('file')} leads to or through a file where a folder was expected`,
  });
});

test.each(['', undefined, 5])('%j is no folder', async (path) => {
  await expect(datasets.idx(path as string)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
});
