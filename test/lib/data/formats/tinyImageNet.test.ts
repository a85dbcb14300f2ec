import { rmSync, writeFileSync } from 'node:fs';
import { datasets, resolveData } from '../../../../lib/data/index.js';
import { plainPng, type Rgb, writeInto } from '../../../support/pictures.js';
import { refusal } from '../../../support/refusal.js';
import { temporaryFolder } from '../../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

/** Two wnids of each 'crane', which is a bird and a machine. Its JPEGs are PNGs here, for exact pixels. */
async function writeTiny(): Promise<string> {
  const put = async (colour: Rgb, ...path: string[]) =>
    writeInto(inFolder('tiny', ...path), await plainPng(colour));
  writeInto(inFolder('tiny', 'wnids.txt'), 'n03\nn01\nn02\n');
  writeFileSync(
    inFolder('tiny', 'words.txt'),
    'n01\tcrane\nn02\tEgyptian cat, Felis\nn03\tcrane, hoist\nn99\tnever\n',
  );
  for (const [wnid, red] of [
    ['n01', 10],
    ['n02', 20],
    ['n03', 30],
  ] as const) {
    await put([red, 0, 0], 'train', wnid, 'images', `${wnid}_0.JPEG`);
    await put([red, 1, 0], 'train', wnid, 'images', `${wnid}_1.JPEG`);
    writeFileSync(inFolder('tiny', 'train', wnid, `${wnid}_boxes.txt`), `${wnid}_0.JPEG\t0\t0\t3\t3\n`);
  }
  await put([20, 2, 0], 'val', 'images', 'val_0.JPEG');
  await put([30, 2, 0], 'val', 'images', 'val_1.JPEG');
  await put([1, 1, 1], 'test', 'images', 'test_0.JPEG');
  writeFileSync(
    inFolder('tiny', 'val', 'val_annotations.txt'),
    'val_0.JPEG\tn02\t0\t32\t44\t62\nval_1.JPEG\tn03\t52\t55\t57\t59\n',
  );
  return inFolder('tiny');
}

const load = () => datasets.tinyImageNet(inFolder('tiny'), { size: 2, cache: false });

test('classes in the order of wnids.txt, named by words.txt; val is the test set', async () => {
  await writeTiny();
  const { classNames, train, test } = await load();
  expect(classNames).toEqual(['crane (n03)', 'crane (n01)', 'Egyptian cat']);
  expect([[...train.labels], [...test!.labels]]).toEqual([
    [0, 0, 1, 1, 2, 2],
    [2, 0],
  ]);
  expect(Array.from({ length: 6 }, (_, n) => train.images.data[12 * n])).toEqual([30, 30, 10, 10, 20, 20]);
  process.env.XDG_CACHE_HOME = inFolder('cache');
  expect((await resolveData(inFolder('tiny'))).train.images.shape).toEqual([6, 64, 64, 3]);
});

test.each<[string, () => void, string, string]>([
  [
    'an annotation that is missing',
    () => writeFileSync(inFolder('tiny', 'val', 'val_annotations.txt'), 'val_0.JPEG\tn02\t0\t0\t1\t1\n'),
    'INVALID_DATA',
    'expected a line for val_1.JPEG, found none',
  ],
  [
    'a picture that is missing',
    () => rmSync(inFolder('tiny', 'val', 'images', 'val_1.JPEG')),
    'FILE_NOT_FOUND',
    'val_1.JPEG: expected a picture',
  ],
  [
    'an annotation of another class',
    () => writeFileSync(inFolder('tiny', 'val', 'val_annotations.txt'), 'val_0.JPEG\tn77\t0\t0\t1\t1\n'),
    'FILE_CORRUPT',
    'one of wnids.txt in line 1',
  ],
  [
    'a class without words',
    () => writeFileSync(inFolder('tiny', 'words.txt'), 'n01\tcrane\nn02\tcat\n'),
    'FILE_CORRUPT',
    'expected words for n03, found none',
  ],
  [
    'a class that is there twice',
    () => writeFileSync(inFolder('tiny', 'wnids.txt'), 'n01\nn01\nn02\n'),
    'FILE_CORRUPT',
    'each once',
  ],
  [
    'a class without pictures',
    () => rmSync(inFolder('tiny', 'train', 'n01', 'images'), { recursive: true }),
    'FILE_NOT_FOUND',
    'n01',
  ],
])('%s', async (_, spoil, code, message) => {
  await writeTiny();
  spoil();
  expect(await refusal(load)).toMatchObject({ code, message: expect.stringContaining(message) });
});
