/** margincore data, and training on a folder of pictures from the command line. */
import { readFileSync, writeFileSync } from 'node:fs';
import { datasets } from '../../../lib/data/index.js';
import { margincore } from '../../support/margincore.js';
import { plainPng, writeInto } from '../../support/pictures.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

/** Six pictures of each class, two of which are the same; dark ones and bright ones. */
async function writePhotos(): Promise<string> {
  for (const [name, grey] of [
    ['dark', 10],
    ['bright', 230],
  ] as const) {
    for (let index = 0; index < 6; index++) {
      writeInto(
        inFolder('photos', name, `${index}.png`),
        await plainPng([grey, 2 * Math.max(1, index), grey], 6, 4),
      );
    }
  }
  return inFolder('photos');
}

const run = (...args: string[]) => {
  process.env.XDG_CACHE_HOME = inFolder('cache');
  return margincore(args);
};

test('inspect: classes, sizes, duplicates, as text and as JSON', async () => {
  const { status, stdout } = await run(
    'data',
    'inspect',
    await writePhotos(),
    '--json',
    inFolder('found.json'),
  );
  expect(status).toBe(0);
  expect(stdout).toContain('photos: 2 classes, 10 training images, 2 test images');
  expect(stdout).toContain('4 × 6: 12');
  const { classes, duplicates, broken, images } = JSON.parse(readFileSync(inFolder('found.json'), 'utf8'));
  expect(classes).toEqual([
    { name: 'bright', train: 5, test: 1 },
    { name: 'dark', train: 5, test: 1 },
  ]);
  expect(images).toEqual({ train: 10, test: 2 });
  const pair = (name: string) => ['0.png', '1.png'].map((file) => inFolder('photos', name, file));
  expect(duplicates.map((same: string[]) => same.toSorted()).sort()).toEqual([pair('bright'), pair('dark')]);
  expect(broken).toEqual([]);
});

test('inspect lists every broken picture, and a page shows the others', async () => {
  const photos = await writePhotos();
  writeFileSync(inFolder('photos', 'dark', '2.png'), '');
  writeFileSync(inFolder('photos', 'bright', '4.png'), 'a text');
  const { status, stdout } = await run(
    'data',
    'inspect',
    photos,
    '--output',
    inFolder('page.html'),
    '--per-class',
    '3',
  );
  expect(status).toBe(1);
  expect(stdout).toContain('broken, 2:');
  expect(stdout).toContain(`${inFolder('photos', 'dark', '2.png')} cannot be decoded`);
  expect(stdout).toContain(`${inFolder('photos', 'bright', '4.png')} cannot be decoded`);
  const page = readFileSync(inFolder('page.html'), 'utf8');
  expect(page.match(/<img src="data:image\/png;base64,[^"]+" alt="dark">/g)).toHaveLength(3);
  expect(page).toContain('Broken pictures');
});

test('inspect of arrays', async () => {
  const { status, stdout } = await run(
    'data',
    'inspect',
    'fashion-mnist-sample',
    '--output',
    inFolder('page.html'),
  );
  expect(status).toBe(0);
  expect(stdout).toContain('fashion-mnist-sample: 10 classes, 6,000 training images, 1,000 test images');
  expect(readFileSync(inFolder('page.html'), 'utf8').match(/<img /g)).toHaveLength(80);
});

test('pack, and what is packed', async () => {
  const file = inFolder('photos.safetensors');
  const flags = ['--size', '3', '--channels', '1', '--test', '0.5', '--data-seed', '7'];
  const { status } = await run('data', 'pack', await writePhotos(), '--output', file, ...flags);
  expect(status).toBe(0);
  const packed = await datasets.packed(file);
  const expected = await datasets.imageFolder(inFolder('photos'), {
    ...{ size: 3, channels: 1, test: 0.5, seed: 7, cache: false },
  });
  expect(packed.train.images.shape).toEqual([6, 3, 3, 1]);
  expect([...packed.train.images.data]).toEqual([...expected.train.images.data]);
  expect([...packed.test!.images.data]).toEqual([...expected.test!.images.data]);
  expect(packed.notes!.map(({ code }) => code)).toEqual(expected.notes!.map(({ code }) => code));
  expect(packed.preprocessing).toEqual({ resize: 'cover', background: 0 });

  const again = inFolder('again.safetensors');
  await run('data', 'pack', file, '--output', again);
  expect((await datasets.packed(again)).train.images.data).toEqual(packed.train.images.data);
});

test.each([
  [['data', 'look', 'photos'], "expected inspect or pack, found 'look'"],
  [['data', 'inspect'], 'DATA is missing'],
  [['data', 'pack', 'fashion-mnist-sample'], 'pack needs --output FILE'],
  [['data', 'inspect', 'fashion-mnist-sample', '--size', '3'], 'size'],
  [['train', '--size', '3'], '--size needs --data'],
])('%j is a mistake of the command line', async (args, message) => {
  const { status, stderr } = await run(...args);
  expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
});

test('train on a folder: size, division and how pictures are brought there go into the model', async () => {
  const { status, stdout, stderr } = await run(
    ...[
      'train',
      '--data',
      await writePhotos(),
      '--size',
      '28',
      '--min-per-class',
      '6',
      '--resize',
      'stretch',
    ],
    ...['--epochs', '8', '--batch-size', '4', '--device', 'cpu', '--save', inFolder('model.safetensors')],
  );
  expect([status, stderr]).toEqual([0, expect.stringContaining('10 images')]);
  expect(stdout).toContain('test accuracy 100.0 %');
  const model = readFileSync(inFolder('model.safetensors')).toString('latin1', 8, 4000);
  expect(model).toContain('\\"resize\\":\\"stretch\\"');
});
