import { mkdirSync, writeFileSync } from 'node:fs';
import { type DataInput, datasets, resolveData } from '../../../lib/data/index.js';
import { counting, idxBytes } from '../../support/idxBytes.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const ARRAYS: DataInput = { images: { data: counting(8), shape: [2, 2, 2, 1] }, labels: [0, 1] };

test('nothing stands for the bundled sample', async () => {
  expect((await resolveData(undefined)).name).toBe('fashion-mnist-sample');
});

test('a name stands for its data set', async () => {
  expect((await resolveData('fashion-mnist')).name).toBe((await datasets.fashionMnist()).name);
  expect((await resolveData('fashion-mnist-sample')).name).toBe('fashion-mnist-sample');
});

test('a name that is misspelt is no folder either, and the error has the right one', async () => {
  await expect(resolveData('fashon-mnist')).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
    message: "fashon-mnist does not exist. Did you mean the data set 'fashion-mnist'?",
  });
});

test('a folder without files of a known format is refused, with what was looked for', async () => {
  mkdirSync(inFolder('photographs'));
  writeFileSync(inFolder('photographs', 'cat.jpg'), '');
  await expect(resolveData(inFolder('photographs'))).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
    message: expect.stringContaining('expected a folder of IDX files (train-images-idx3-ubyte, '),
  });
});

test('another string is a folder of IDX files', async () => {
  mkdirSync(inFolder('mine'));
  writeFileSync(inFolder('mine', 'train-images-idx3-ubyte'), idxBytes([2, 2, 2], counting(8)));
  writeFileSync(inFolder('mine', 'train-labels-idx1-ubyte'), idxBytes([2], [0, 1]));
  expect(await resolveData(inFolder('mine'))).toMatchObject({ name: 'mine', numClasses: 2 });
  await expect(resolveData(inFolder('nowhere'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
});

test('arrays and promises of data are checked', async () => {
  expect((await resolveData(ARRAYS)).train.labels).toEqual(Int32Array.of(0, 1));
  expect((await resolveData(Promise.resolve(ARRAYS))).name).toBe('arrays');
  await expect(resolveData({ ...ARRAYS, labels: [0, -1] } as DataInput)).rejects.toMatchObject({
    code: 'INVALID_DATA',
    message: expect.stringContaining('data.labels: label of sample 1'),
  });
});

test('a promise of nothing is refused, not taken for the sample', async () => {
  const forgotten = Promise.resolve(undefined as unknown as DataInput);
  await expect(resolveData(forgotten)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
});

test('a promise that rejects keeps its reason', async () => {
  await expect(resolveData(datasets.idx(inFolder('nowhere')))).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
  });
});
