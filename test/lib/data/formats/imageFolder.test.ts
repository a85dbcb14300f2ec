/** Folders of pictures as people have them, and what is made of them. */
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';
import type { ImageFolderOptions } from '../../../../lib/data/formats/imageFolder.js';
import { datasets, resolveData } from '../../../../lib/data/index.js';
import { progressOf } from '../../../../lib/data/loading.js';
import type { Split } from '../../../../lib/data/types.js';
import { plainPng, writeInto } from '../../../support/pictures.js';
import { refusal } from '../../../support/refusal.js';
import { temporaryFolder } from '../../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const SMALL = { size: 2, cache: false } as const;

/** Picture number `index` of a class: red is the class, green the picture. */
async function writeClass(name: string, red: number, count: number, root = 'photos'): Promise<void> {
  for (let index = 0; index < count; index++) {
    writeInto(inFolder(root, name, `${index}.png`), await plainPng([red, index, 7]));
  }
}

const load = (options: ImageFolderOptions = {}) =>
  datasets.imageFolder(inFolder('photos'), { ...SMALL, ...options });

/** [red, green] of the first pixel of each image */
const colours = ({ images }: Split) =>
  Array.from({ length: images.shape[0] }, (_, n) => [...images.data.subarray(12 * n, 12 * n + 2)]);

test('classes and pictures are in the order of their names; every class gives its share of test images', async () => {
  await writeClass('dog', 20, 20);
  await writeClass('cat', 10, 30);
  const { name, classNames, numClasses, train, test, notes } = await load();
  expect({ name, classNames, numClasses, notes }).toEqual({
    ...{ name: 'photos', classNames: ['cat', 'dog'], numClasses: 2, notes: [] },
  });
  expect(train.images.shape).toEqual([45, 2, 2, 3]);
  expect(train.labels.filter((label) => label === 0)).toHaveLength(27);
  expect([...test!.labels]).toEqual([0, 0, 0, 1, 1]);
  for (const split of [train, test!]) {
    expect(colours(split).map(([red]) => red)).toEqual(Array.from(split.labels, (label) => 10 * (label + 1)));
  }
  // Each picture once.
  const pictures = [...colours(train), ...colours(test!)].map(String);
  expect(new Set(pictures).size).toBe(50);
});

test('the division follows from the seed alone', async () => {
  await writeClass('a', 1, 40);
  await writeClass('b', 2, 40);
  const tested = async (options: ImageFolderOptions) => colours((await load(options)).test!);
  const first = await tested({ seed: 3 });
  expect(await tested({ seed: 3 })).toEqual(first);
  expect(await tested({ seed: 4 })).not.toEqual(first);
  // Each class draws numbers of its own.
  const green = (red: number) => first.filter(([each]) => each === red).map(([, index]) => index);
  expect(green(1)).not.toEqual(green(2));
});

test("FaceScrub's rule: classes of 70 or more, a tenth of each drawn for the test set", async () => {
  await writeClass('many', 1, 100);
  await writeClass('enough', 2, 70);
  await writeClass('few', 3, 69);
  const { classNames, train, test, notes } = await load({ minPerClass: 70, test: 0.1 });
  expect(classNames).toEqual(['enough', 'many']);
  expect([train.labels.length, test!.labels.length]).toEqual([63 + 90, 7 + 10]);
  expect(notes).toEqual([
    {
      code: 'CLASSES_LEFT_OUT',
      message: '1 of 3 classes have fewer than 70 images, and are left out',
    },
  ]);
});

test('folders train and test are what they say, and val stands for test', async () => {
  await writeClass('cat', 1, 3, 'photos/train');
  await writeClass('dog', 2, 2, 'photos/train');
  await writeClass('dog', 20, 1, 'photos/val');
  const { train, test, classNames } = await load();
  expect([classNames, train.labels.length, colours(test!)]).toEqual([['cat', 'dog'], 5, [[20, 0]]]);
  expect([...test!.labels]).toEqual([1]);

  await writeClass('cat', 30, 1, 'photos/test');
  const both = await load({ test: 'folder' });
  expect(colours(both.test!)).toEqual([[30, 0]]);
  expect(both.notes).toMatchObject([
    { code: 'FOLDERS_LEFT_OUT', message: expect.stringContaining('val left out') },
  ]);
  expect(await refusal(() => load({ test: 0.2 }))).toMatchObject({ code: 'INVALID_OPTION' });

  await writeClass('cow', 30, 1, 'photos/test');
  expect(await refusal(load)).toMatchObject({
    code: 'INVALID_DATA',
    message: expect.stringContaining("found 'cow'"),
  });
});

test('a class may be called train', async () => {
  await writeClass('plane', 1, 2);
  await writeClass('train', 2, 2);
  expect((await load()).classNames).toEqual(['plane', 'train']);
  expect(await refusal(() => load({ test: 'folder' }))).toMatchObject({ code: 'FILE_NOT_FOUND' });
});

test('names in any script, suffixes in capitals, folders within, links, and files that are no pictures', async () => {
  await writeClass('Ærøskøbing 猫', 1, 2);
  await writeClass('b', 2, 1);
  writeInto(inFolder('photos', 'b', 'inner', 'LOUD.PNG'), await plainPng([2, 9, 7]));
  writeInto(inFolder('photos', 'b', 'notes.txt'), 'not a picture');
  writeInto(inFolder('photos', 'b', '.hidden.png'), 'not a picture either');
  writeInto(inFolder('elsewhere', 'linked.png'), await plainPng([2, 8, 7]));
  symlinkSync(inFolder('elsewhere'), inFolder('photos', 'b', 'link'));
  symlinkSync(inFolder('elsewhere', 'linked.png'), inFolder('photos', 'b', 'z.png'));
  const { classNames, train } = await load({ test: 0 });
  expect(classNames).toEqual(['b', 'Ærøskøbing 猫']);
  expect(colours(train)).toEqual([
    [2, 0],
    [2, 9],
    [2, 8],
    [2, 8],
    [1, 0],
    [1, 1],
  ]);
});

test('a link that leads back is named', async () => {
  await writeClass('a', 1, 2);
  await writeClass('b', 2, 2);
  symlinkSync(inFolder('photos'), inFolder('photos', 'b', 'loop'));
  expect(await refusal(load)).toMatchObject({
    code: 'INVALID_DATA',
    message: expect.stringMatching(/loop is a link that leads back to/),
  });
});

test('16 bits, CMYK, and the first picture of an animation', async () => {
  const plain = sharp(await plainPng([200, 100, 50]));
  const frames = Buffer.concat([Buffer.alloc(48, 250), Buffer.alloc(48, 10)]);
  const animation = sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } });
  writeInto(inFolder('photos', 'a', 'cmyk.jpg'), await plain.clone().toColourspace('cmyk').jpeg().toBuffer());
  writeInto(inFolder('photos', 'a', 'wide.png'), await plain.clone().toColourspace('rgb16').png().toBuffer());
  writeInto(inFolder('photos', 'b', 'moving.gif'), await animation.gif().toBuffer());
  expect((await sharp(inFolder('photos', 'b', 'moving.gif')).metadata()).pages).toBe(2);
  expect((await sharp(inFolder('photos', 'a', 'cmyk.jpg')).metadata()).space).toBe('cmyk');
  const { train } = await load({ test: 0 });
  const [cmyk, wide, moving] = colours(train);
  expect(wide).toEqual([200, 100]);
  expect(moving).toEqual([250, 250]);
  // There and back through the profile of a press.
  expect(Math.abs(cmyk![0]! - 200)).toBeLessThan(30);
  expect(Math.abs(cmyk![1]! - 100)).toBeLessThan(30);
});

describe('a picture that cannot be decoded is named, and none is passed over', () => {
  const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, index) => (index * index * 31) % 251);
  const jpeg = () => sharp(noise, { raw: { width: 64, height: 64, channels: 3 } }).jpeg();
  test.each<[string, string, () => Promise<Uint8Array> | Uint8Array, string]>([
    ['of no bytes', 'empty.jpg', () => new Uint8Array(), 'FILE_CORRUPT'],
    ['of other content', 'text.png', () => Buffer.from('a text, not a picture'), 'FILE_CORRUPT'],
    ['truncated', 'half.jpg', async () => (await jpeg().toBuffer()).subarray(0, -1), 'FILE_CORRUPT'],
    ['of a kind that is not known here', 'old.BMP', () => Buffer.from('BM'), 'UNSUPPORTED'],
  ])('%s', async (_, name, bytes, code) => {
    await writeClass('a', 1, 3);
    await writeClass('b', 2, 3);
    writeInto(inFolder('photos', 'b', name), await bytes());
    const error = await refusal(load);
    expect(error).toMatchObject({ code, details: { path: inFolder('photos', 'b', name) } });
    expect(error.message).toContain(inFolder('photos', 'b', name));
  });

  test('a link to nothing', async () => {
    await writeClass('a', 1, 3);
    await writeClass('b', 2, 3);
    symlinkSync(inFolder('nowhere.png'), inFolder('photos', 'b', 'z.png'));
    expect(await refusal(load)).toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

test('one class, none, or one without pictures', async () => {
  await writeClass('a', 1, 3);
  expect(await refusal(load)).toMatchObject({
    code: 'INVALID_DATA',
    message: expect.stringContaining('expected folders of two or more classes, found 1'),
  });
  mkdirSync(inFolder('photos', 'b'));
  expect(await refusal(load)).toMatchObject({
    code: 'FILE_NOT_FOUND',
    message: expect.stringContaining(inFolder('photos', 'b')),
  });
  mkdirSync(inFolder('bare'));
  expect(await refusal(() => datasets.imageFolder(inFolder('bare')))).toMatchObject({
    code: 'FILE_NOT_FOUND',
  });
  expect(await refusal(() => datasets.imageFolder(inFolder('nowhere')))).toMatchObject({
    code: 'FILE_NOT_FOUND',
  });
});

test('a class of one image is trained on', async () => {
  await writeClass('a', 1, 1);
  await writeClass('b', 2, 2);
  const { train, test } = await load({ test: 0.9 });
  expect([[...train.labels], [...test!.labels]]).toEqual([[0, 1], [1]]);
});

test('a test image that is trained on as well is said, by its pixels', async () => {
  await writeClass('a', 1, 2, 'photos/train');
  await writeClass('b', 2, 2, 'photos/train');
  await writeClass('b', 5, 2, 'photos/test');
  writeInto(inFolder('photos', 'test', 'a', 'again.png'), await plainPng([1, 1, 7]));
  expect((await load()).notes).toEqual([
    {
      code: 'TEST_IMAGES_TRAINED_ON',
      message: expect.stringContaining(
        `1 of 3 test images are also among the training images, pixel for pixel, such as ${inFolder('photos', 'test', 'a', 'again.png')}`,
      ),
    },
  ]);
});

test('size, channels and how pictures are brought there', async () => {
  const halves = sharp(Buffer.concat([Buffer.alloc(32, 0), Buffer.alloc(32, 255)]), {
    raw: { width: 8, height: 8, channels: 1 },
  });
  writeInto(
    inFolder('photos', 'a', '0.png'),
    await halves.clone().extend({ top: 8, bottom: 8 }).png().toBuffer(),
  );
  await writeClass('b', 2, 1);
  const { train, preprocessing } = await load({
    ...{ size: [6, 2], channels: 1, test: 0, resize: 'stretch', background: 9 },
  });
  expect(train.images.shape).toEqual([2, 6, 2, 1]);
  expect(preprocessing).toEqual({ resize: 'stretch', background: 9 });
  expect(train.images.data[6]).toBeGreaterThan(200); // the white half, which 'cover' would cut out
});

test.each<[ImageFolderOptions, string]>([
  [{ size: 0 }, 'size'],
  [{ size: [8, 2000] as [number, number] }, 'size'],
  [{ channels: 4 as 3 }, 'channels'],
  [{ test: 1 }, 'test'],
  [{ test: 'none' as 'folder' }, 'test'],
  [{ minPerClass: -1 }, 'minPerClass'],
  [{ cache: '' }, 'cache'],
  [{ sizes: 3 } as ImageFolderOptions, 'sizes'],
])('%j is refused', async (options, option) => {
  expect(await refusal(() => load(options))).toMatchObject({ code: 'INVALID_OPTION', details: { option } });
});

test('progress is told, and an abort ends it', async () => {
  await writeClass('a', 1, 300);
  await writeClass('b', 2, 300);
  const told: number[] = [];
  const promise = load({ onProgress: (fraction) => told.push(fraction) });
  expect(progressOf(promise).fraction).toBeUndefined();
  await promise;
  expect(progressOf(promise).fraction).toBe(1);
  expect(told).toEqual([0, 256 / 600, 512 / 600, 1]);

  const controller = new AbortController();
  const reason = new Error('enough');
  const aborted = load({ signal: controller.signal, onProgress: () => controller.abort(reason) });
  await expect(aborted).rejects.toBe(reason);
});

test('as a string for data it takes what the network takes', async () => {
  await writeClass('a', 1, 2);
  await writeClass('b', 2, 2);
  process.env.XDG_CACHE_HOME = inFolder('cache');
  const { train, preprocessing } = await resolveData(inFolder('photos'), {
    ...{ input: [10, 12, 1], preprocessing: { resize: 'contain', background: 3 } },
  });
  expect(train.images.shape).toEqual([2, 10, 12, 1]);
  expect(preprocessing).toEqual({ resize: 'contain', background: 3 });
  // Without one 64×64 in colours.
  expect((await resolveData(inFolder('photos'))).train.images.shape).toEqual([2, 64, 64, 3]);
  renameSync(inFolder('photos', 'a'), inFolder('a'));
  writeFileSync(inFolder('photos', 'stray.txt'), '');
  expect(await refusal(() => resolveData(inFolder('photos')))).toMatchObject({ code: 'INVALID_DATA' });
});
