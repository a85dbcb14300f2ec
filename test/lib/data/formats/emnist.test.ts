import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { datasets, resolveData } from '../../../../lib/data/index.js';
import { counting, idxBytes } from '../../../support/idxBytes.js';
import { writeInto } from '../../../support/pictures.js';
import { refusal } from '../../../support/refusal.js';
import { temporaryFolder } from '../../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

/** Letters: labels from 1, a capital and a small one each. */
function writeEmnist(division = 'letters', end = '.gz'): string {
  const put = (name: string, bytes: Buffer) =>
    writeInto(inFolder('emnist', `emnist-${division}-${name}${end}`), end ? gzipSync(bytes) : bytes);
  put('train-images-idx3-ubyte', idxBytes([3, 2, 2], counting(12)));
  put('train-labels-idx1-ubyte', idxBytes([3], [2, 1, 3]));
  put('test-images-idx3-ubyte', idxBytes([1, 2, 2], counting(4)));
  put('test-labels-idx1-ubyte', idxBytes([1], [3]));
  writeFileSync(inFolder('emnist', `emnist-${division}-mapping.txt`), '1 65 97\n2 66 98\n3 67 99\n');
  return inFolder('emnist');
}

test('images are turned upright, labels numbered from 0, classes called by their characters', async () => {
  const { name, train, test: tested, classNames } = await datasets.emnist(writeEmnist());
  expect([name, classNames]).toEqual(['emnist letters', ['Aa', 'Bb', 'Cc']]);
  expect([[...train.labels], [...tested!.labels]]).toEqual([[1, 0, 2], [2]]);
  expect([...train.images.data.subarray(0, 8)]).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
  expect(train.images.shape).toEqual([3, 2, 2, 1]);
});

test('of several divisions one is chosen', async () => {
  writeEmnist('letters');
  writeEmnist('byclass', '');
  expect((await datasets.emnist(inFolder('emnist'), { split: 'byclass' })).name).toBe('emnist byclass');
  expect(await refusal(() => resolveData(inFolder('emnist')))).toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining('has byclass, letters'),
  });
});

test('a folder of one stands for itself', async () => {
  expect((await resolveData(writeEmnist('balanced'))).name).toBe('emnist balanced');
});

test.each<[string, () => void, string]>([
  [
    'a label that the mapping has not',
    () => writeFileSync(inFolder('emnist', 'emnist-letters-mapping.txt'), '1 65\n2 66\n'),
    'expected a label of the mapping for sample 2, found 3',
  ],
  [
    'a mapping of nothing',
    () => writeFileSync(inFolder('emnist', 'emnist-letters-mapping.txt'), ''),
    'expected a label and codes of characters',
  ],
])('%s', async (_, spoil, message) => {
  writeEmnist();
  spoil();
  expect(await refusal(() => datasets.emnist(inFolder('emnist')))).toMatchObject({
    ...{ code: 'FILE_CORRUPT', message: expect.stringContaining(message) },
  });
});

test('a file that is missing is named', async () => {
  expect(await refusal(() => datasets.emnist(writeEmnist(), { split: 'digits' }))).toMatchObject({
    code: 'FILE_NOT_FOUND',
  });
});
