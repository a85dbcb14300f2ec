import { writeFileSync } from 'node:fs';
import type { PictureListOptions } from '../../../../lib/data/formats/pictureListFile.js';
import { datasets, resolveData } from '../../../../lib/data/index.js';
import type { Split } from '../../../../lib/data/types.js';
import { plainPng, writeInto } from '../../../support/pictures.js';
import { refusal } from '../../../support/refusal.js';
import { temporaryFolder } from '../../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

async function writePictures(count: number): Promise<void> {
  for (let index = 0; index < count; index++)
    writeInto(inFolder(`p/${index}, "x".png`), await plainPng([index, 0, 0]));
}

const load = (name: string, options: PictureListOptions = {}) =>
  datasets.pictureList(inFolder(name), { size: 1, cache: false, ...options });
const reds = ({ images }: Split) => Array.from({ length: images.shape[0] }, (_, n) => images.data[3 * n]);
const csv = (...lines: string[]) => writeFileSync(inFolder('list.csv'), lines.join('\r\n'));
const path = (index: number) => `"p/${index}, ""x"".png"`;

test('CSV: columns by their names, fields in quotes, a byte order mark, a split', async () => {
  await writePictures(5);
  csv(
    '\uFEFFlabel,Path,split,comment',
    `cat,${path(0)},train,`,
    `"dog, big",${path(1)},train,"two\nlines"`,
    '',
    `cat,${path(2)},val,`,
    `cat,${path(3)},test,x`,
    `"dog, big",${path(4)},train,`,
  );
  const { train, test, classNames, notes } = await load('list.csv');
  expect(classNames).toEqual(['cat', 'dog, big']);
  expect([reds(train), [...train.labels], reds(test!)]).toEqual([[0, 1, 4], [0, 1, 1], [3]]);
  expect(notes).toMatchObject([{ code: 'SPLITS_LEFT_OUT', message: expect.stringContaining('1 pictures') }]);
});

test('JSON: labels that are numbers are classes in their order', async () => {
  await writePictures(4);
  const entry = (index: number, label: number) => ({ path: inFolder(`p/${index}, "x".png`), label });
  writeInto(
    inFolder('lists', 'list.json'),
    JSON.stringify([entry(0, 10), entry(1, 9), entry(2, 10), entry(3, 9)]),
  );
  const { train, test, classNames } = await load('lists/list.json', { test: 0.5 });
  expect(classNames).toEqual(['9', '10']);
  expect([[...train.labels], [...test!.labels]]).toEqual([
    [0, 1],
    [0, 1],
  ]);
  expect([...reds(train), ...reds(test!)].sort()).toEqual([0, 1, 2, 3]);
  process.env.XDG_CACHE_HOME = inFolder('cache');
  expect((await resolveData(inFolder('lists', 'list.json'))).train.images.shape).toEqual([2, 64, 64, 3]);
});

test('paths begin at root', async () => {
  await writePictures(2);
  writeInto(inFolder('lists', 'list.csv'), `path,label\n${path(0)},a\n${path(1)},b`);
  expect(reds((await load('lists/list.csv', { root: inFolder(), test: 0 })).train)).toEqual([0, 1]);
  expect(await refusal(() => load('lists/list.csv'))).toMatchObject({ code: 'FILE_NOT_FOUND' });
});

test.each<[string, string[], string, string]>([
  ['no header', [`${path(0)},a`], 'FILE_CORRUPT', 'the columns path and label in line 1'],
  [
    'a field too few',
    ['path,label', `${path(0)},a`, path(1)],
    'FILE_CORRUPT',
    'expected 2 fields in line 3, found 1',
  ],
  ['no label', ['path,label', `${path(0)},`], 'FILE_CORRUPT', 'a path and a label in line 2'],
  ['another split', ['path,label,split', `${path(0)},a,tset`], 'FILE_CORRUPT', 'found "tset"'],
  ['a picture twice', ['path,label', 'p/0,a', './p/0,b'], 'INVALID_DATA', './p/0 in line 2 and line 3'],
  [
    'quotes without end',
    ['path,label', '"p/0,a'],
    'FILE_CORRUPT',
    'that begin in the row of line 2 have no end',
  ],
  [
    'one label',
    ['path,label', `${path(0)},a`, `${path(1)},a`],
    'INVALID_DATA',
    'expected two or more labels, found 1',
  ],
  [
    'nothing to train on',
    ['path,label,split', `${path(0)},a,test`, `${path(1)},b,test`],
    'INVALID_DATA',
    'whose split is train',
  ],
  ['nothing', [], 'FILE_CORRUPT', 'found nothing'],
])('%s', async (_, lines, code, message) => {
  csv(...lines);
  expect(await refusal(() => load('list.csv'))).toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
});

test('JSON of another form, or none', async () => {
  for (const text of ['{}', '[1]', '[{"path":"a"}]', '[', '[{"path":"a","label":1.5}]']) {
    writeFileSync(inFolder('list.json'), text);
    expect(await refusal(() => load('list.json'))).toMatchObject({ code: 'FILE_CORRUPT' });
  }
});
