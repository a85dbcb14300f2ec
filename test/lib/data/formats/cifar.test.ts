/** CIFAR's binary files, byte by byte as its page describes them. */
import { truncateSync, writeFileSync } from 'node:fs';
import { datasets, resolveData } from '../../../../lib/data/index.js';
import { writeInto } from '../../../support/pictures.js';
import { refusal } from '../../../support/refusal.js';
import { temporaryFolder } from '../../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

/** Labels, then 1024 red, 1024 green, 1024 blue: here 7·position + channel of each image. */
const record = (...labels: number[]) =>
  Buffer.from([
    ...labels,
    ...[0, 1, 2].flatMap((c) => Array.from({ length: 1024 }, (_, p) => (7 * p + c) % 256)),
  ]);

const names = (count: number, stem: string) => Array.from({ length: count }, (_, i) => `${stem}${i}`);

function writeCifar10(): string {
  for (let batch = 1; batch <= 5; batch++) {
    writeInto(inFolder('ten', `data_batch_${batch}.bin`), Buffer.concat([record(batch), record(9)]));
  }
  writeFileSync(inFolder('ten', 'test_batch.bin'), record(0));
  // As published: a line of nothing at the end.
  writeFileSync(inFolder('ten', 'batches.meta.txt'), `${names(10, 'class ').join('\n')}\n\n`);
  return inFolder('ten');
}

function writeCifar100(): string {
  writeInto(inFolder('hundred', 'train.bin'), Buffer.concat([record(3, 77), record(19, 99)]));
  writeFileSync(inFolder('hundred', 'test.bin'), record(0, 1));
  writeFileSync(inFolder('hundred', 'fine_label_names.txt'), names(100, 'fine').join('\n'));
  writeFileSync(inFolder('hundred', 'coarse_label_names.txt'), names(20, 'coarse').join('\n'));
  return inFolder('hundred');
}

test('CIFAR-10: five batches in their order, planes as colours', async () => {
  const { train, test, classNames, notes } = await datasets.cifar10(writeCifar10());
  expect([...train.labels]).toEqual([1, 9, 2, 9, 3, 9, 4, 9, 5, 9]);
  expect([...test!.labels]).toEqual([0]);
  expect(train.images.shape).toEqual([10, 32, 32, 3]);
  const expected = Array.from({ length: 3072 }, (_, i) => (7 * Math.floor(i / 3) + (i % 3)) % 256);
  expect([...train.images.data.subarray(3 * 3072, 4 * 3072)]).toEqual(expected);
  expect([classNames[0], classNames.length]).toEqual(['class 0', 10]);
  expect(notes).toMatchObject([
    { code: 'DATA_INCOMPLETE', message: expect.stringContaining('10 and 1 images') },
  ]);
});

test('CIFAR-100: fine labels, or coarse', async () => {
  const folder = writeCifar100();
  const fine = await datasets.cifar100(folder);
  expect([[...fine.train.labels], fine.numClasses, fine.classNames[77]]).toEqual([[77, 99], 100, 'fine77']);
  const coarse = await datasets.cifar100(folder, { labels: 'coarse' });
  expect([[...coarse.train.labels], coarse.numClasses]).toEqual([[3, 19], 20]);
  expect(coarse.train.images.data[1]).toBe(1);
});

test('a folder of either stands for itself', async () => {
  expect((await resolveData(writeCifar10())).numClasses).toBe(10);
  expect((await resolveData(writeCifar100())).numClasses).toBe(100);
});

test.each<[string, () => void, string, string]>([
  [
    'a truncated record',
    () => truncateSync(inFolder('ten', 'data_batch_3.bin'), 5000),
    'FILE_CORRUPT',
    'data_batch_3.bin: expected whole records of 3073 bytes, found 5000 bytes',
  ],
  [
    'an empty file',
    () => truncateSync(inFolder('ten', 'test_batch.bin'), 0),
    'FILE_CORRUPT',
    'test_batch.bin: expected whole records',
  ],
  [
    'a label that is none',
    () => writeFileSync(inFolder('ten', 'data_batch_2.bin'), Buffer.concat([record(1), record(10)])),
    'FILE_CORRUPT',
    'data_batch_2.bin: expected a label of 0…9 at byte 3073, found 10',
  ],
  [
    'a missing batch',
    () => writeFileSync(inFolder('ten', 'data_batch_5.bin'), ''),
    'FILE_CORRUPT',
    'data_batch_5.bin',
  ],
  [
    'a name too few',
    () => writeFileSync(inFolder('ten', 'batches.meta.txt'), names(9, 'n').join('\n')),
    'FILE_CORRUPT',
    'expected 10 names of classes, found 9',
  ],
])('%s', async (_, spoil, code, message) => {
  writeCifar10();
  spoil();
  expect(await refusal(() => datasets.cifar10(inFolder('ten')))).toMatchObject({
    ...{ code, message: expect.stringContaining(message) },
  });
});

test("a coarse label where CIFAR-100's fine ones are asked for, and the other way round", async () => {
  writeCifar100();
  writeFileSync(inFolder('hundred', 'test.bin'), record(20, 1));
  expect(await refusal(() => datasets.cifar100(inFolder('hundred')))).toMatchObject({
    message: expect.stringContaining('expected a label of 0…19 at byte 0, found 20'),
  });
  writeFileSync(inFolder('hundred', 'test.bin'), record(19, 100));
  expect(await refusal(() => datasets.cifar100(inFolder('hundred'), { labels: 'coarse' }))).toMatchObject({
    message: expect.stringContaining('expected a label of 0…99 at byte 1, found 100'),
  });
});
