import { writeFileSync } from 'node:fs';
import { datasets } from '../../../../lib/data/index.js';
import { writeInto } from '../../../support/pictures.js';
import { refusal } from '../../../support/refusal.js';
import { temporaryFolder } from '../../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

/** Two folds of two pairs each kind. */
const LINES = [
  '2\t2',
  'Abel_Pacheco\t1\t4',
  'Zoe_Ball\t1\t2',
  'Abel_Pacheco\t1\tZoe_Ball\t2',
  'Zoe_Ball\t1\tAbel_Pacheco\t12',
  'Zoe_Ball\t1\t2',
  'Abel_Pacheco\t4\t12',
  'Zoe_Ball\t1\tAbel_Pacheco\t1',
  'Zoe_Ball\t2\tAbel_Pacheco\t4',
];

function write(lines: readonly string[]): Parameters<typeof datasets.lfwPairs> {
  for (const number of ['0001', '0004', '0012']) {
    writeInto(inFolder('lfw', 'Abel_Pacheco', `Abel_Pacheco_${number}.jpg`), '');
  }
  for (const number of ['0001', '0002']) writeInto(inFolder('lfw', 'Zoe_Ball', `Zoe_Ball_${number}.jpg`), '');
  writeFileSync(inFolder('pairs.txt'), `${lines.join('\n')}\n`);
  return [inFolder('lfw'), inFolder('pairs.txt')];
}

const abel = (number: string) => inFolder('lfw', 'Abel_Pacheco', `Abel_Pacheco_${number}.jpg`);
const zoe = (number: string) => inFolder('lfw', 'Zoe_Ball', `Zoe_Ball_${number}.jpg`);

test('pairs with their fold, of one person and of two', async () => {
  const pairs = await datasets.lfwPairs(...write(LINES));
  expect(pairs).toHaveLength(8);
  expect(pairs[0]).toEqual({ a: abel('0001'), b: abel('0004'), same: true, fold: 0 });
  expect(pairs[3]).toEqual({ a: zoe('0001'), b: abel('0012'), same: false, fold: 0 });
  expect(pairs[5]).toEqual({ a: abel('0004'), b: abel('0012'), same: true, fold: 1 });
  expect(pairs.map(({ same, fold }) => `${same ? 's' : 'd'}${fold}`).join(' ')).toBe(
    's0 s0 d0 d0 s1 s1 d1 d1',
  );
});

test('a development list is one fold', async () => {
  const pairs = await datasets.lfwPairs(...write(['2', ...LINES.slice(1, 5)]));
  expect(pairs.map(({ fold }) => fold)).toEqual([0, 0, 0, 0]);
});

test.each<[string, string[], string, string]>([
  ['a line too few', LINES.slice(0, -1), 'FILE_CORRUPT', 'expected 9 lines, found 8'],
  ['no sizes', LINES.slice(1), 'FILE_CORRUPT', 'the numbers of folds and of pairs in line 1'],
  [
    'one person among pairs of two',
    [...LINES.slice(0, 3), LINES[1]!, ...LINES.slice(4)],
    'FILE_CORRUPT',
    'a name and a number, twice, in line 4',
  ],
  ['a path for a name', [LINES[0]!, '../x\t1\t2', ...LINES.slice(2)], 'FILE_CORRUPT', 'in line 2'],
  [
    'a photograph that is not there',
    [LINES[0]!, 'Zoe_Ball\t1\t3', ...LINES.slice(2)],
    'FILE_NOT_FOUND',
    'Zoe_Ball_0003.jpg',
  ],
])('%s', async (_, lines, code, message) => {
  expect(await refusal(() => datasets.lfwPairs(...write(lines)))).toMatchObject({
    ...{ code, message: expect.stringContaining(message) },
  });
});
