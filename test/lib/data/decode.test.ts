/** Pictures as a camera, a scanner or a browser leaves them, and what a network gets of them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { decodePictures } from '../../../lib/data/decode.js';
import { parsePnm } from '../../../lib/data/formats/pnm.js';
import { pictureFiles } from '../../../lib/data/pictureFiles.js';
import type { Preprocessing } from '../../../lib/data/preprocessing.js';
import type { ImageSize } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const COVER: Preprocessing = { resize: 'cover', background: 0 };

const raw = (data: number[], width: number, height: number, channels: 1 | 2 | 3 | 4) =>
  sharp(Buffer.from(data), { raw: { width, height, channels } });

const RED_GREEN = [200, 0, 0, 0, 200, 0, 200, 0, 0, 0, 200, 0]; // 2×2: red on the left, green on the right

async function decoded(bytes: Uint8Array, size: ImageSize, preprocessing = COVER): Promise<number[]> {
  const { data, shape } = await decodePictures([bytes], size, preprocessing);
  expect(shape).toEqual([1, ...size]);
  return [...data];
}

test('a picture of the right size stays as it is, in red, green, blue', async () => {
  const png = await raw(RED_GREEN, 2, 2, 3).png().toBuffer();
  expect(await decoded(png, [2, 2, 3])).toEqual(RED_GREEN);
});

test('EXIF turns it', async () => {
  // Stored 16 wide and 8 high, its upper half white. Orientation 6: a quarter turn to the right brings that to the right.
  const stored = Array.from({ length: 8 }, (_, y) => Array(16).fill(y < 4 ? 250 : 0)).flat();
  const png = await raw(stored, 16, 8, 1).withMetadata({ orientation: 6 }).png().toBuffer();
  const row = [0, 0, 0, 0, 250, 250, 250, 250];
  expect(await decoded(png, [16, 8, 1])).toEqual(Array(16).fill(row).flat());
});

test('grey becomes three equal channels, colours one grey', async () => {
  const grey = await raw([10, 20, 30, 40], 2, 2, 1).png().toBuffer();
  expect(await decoded(grey, [2, 2, 3])).toEqual([10, 10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 40]);
  expect(await decoded(grey, [2, 2, 1])).toEqual([10, 20, 30, 40]);
  const white = await raw(Array(12).fill(255), 2, 2, 3).webp({ lossless: true }).toBuffer();
  expect(await decoded(white, [2, 2, 1])).toEqual([255, 255, 255, 255]);
});

test('what is transparent shows the background; four channels keep it', async () => {
  const half = await raw(Array(4).fill([200, 100, 50, 128]).flat(), 2, 2, 4)
    .png()
    .toBuffer();
  const on = (background: number) => decoded(half, [2, 2, 3], { ...COVER, background });
  expect((await on(0)).slice(0, 3)).toEqual([100, 50, 25]);
  expect((await on(255)).slice(0, 3).every((value) => value > 150)).toBe(true);
  expect((await decoded(half, [2, 2, 4])).slice(0, 4)).toEqual([200, 100, 50, 128]);
});

test('16 bits become 8', async () => {
  const wide = await sharp({
    create: { width: 2, height: 2, channels: 3, background: { r: 200, g: 100, b: 50 } },
  })
    .toColourspace('rgb16')
    .png()
    .toBuffer();
  expect((await sharp(wide).metadata()).depth).toBe('ushort');
  expect((await decoded(wide, [2, 2, 3])).slice(0, 3)).toEqual([200, 100, 50]);
});

test('a wide picture: its middle, all of it with bars, or all of it squeezed', async () => {
  const columns = [0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]; // 12×4, white in the middle
  const png = await raw(Array(4).fill(columns).flat(), 12, 4, 1).png().toBuffer();
  expect(await decoded(png, [4, 4, 1])).toEqual(Array(16).fill(255));
  const barred = await decoded(png, [12, 12, 1], { resize: 'contain', background: 77 });
  expect(barred.slice(0, 12)).toEqual(Array(12).fill(77));
  expect(barred.slice(5 * 12, 6 * 12)).toEqual(columns);
  const squeezed = await decoded(png, [4, 6, 1], { resize: 'stretch', background: 0 });
  expect(squeezed[0]).toBeLessThan(60);
  expect(squeezed[2]).toBeGreaterThan(200);
});

test.each(['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const)('%s is decoded', async (format) => {
  const bytes = await raw(Array(16 * 16).fill(200), 16, 16, 1)
    .toColourspace('srgb')
    .toFormat(format)
    .toBuffer();
  for (const value of await decoded(bytes, [2, 2, 1])) expect(Math.abs(value - 200)).toBeLessThan(4);
});

describe('PGM and PPM', () => {
  const pnm = (header: string, bytes: number[]) =>
    Buffer.concat([Buffer.from(header, 'latin1'), Buffer.from(bytes)]);

  test('are read, with comments, other levels, and 16 bits', async () => {
    expect(await decoded(pnm('P5\n# a face\n2 2\n255\n', [1, 2, 3, 4]), [2, 2, 1])).toEqual([1, 2, 3, 4]);
    expect(await decoded(pnm('P6 1 1 255\n', [9, 8, 7]), [1, 1, 3])).toEqual([9, 8, 7]);
    expect([...parsePnm(pnm('P5 2 1 100\n', [50, 100])).data]).toEqual([128, 255]);
    expect([...parsePnm(pnm('P5 1 1 65535\n', [128, 0])).data]).toEqual([128]);
  });

  test.each([
    ['P5 2 2 255\n', [1, 2], /truncated: 2 bytes, expected 4/],
    ['P5 x', [], /header is damaged/],
    ['P5 0 4 255\n', [], /size or level of 0/],
    [`P5${' '.repeat(3000)}`, [], /header is damaged/],
  ])('%j is refused', async (header, bytes, message) => {
    const error = await refusal(() => decodePictures([pnm(header, bytes)], [2, 2, 1], COVER));
    expect(error).toMatchObject({ code: 'FILE_CORRUPT', message: expect.stringMatching(message) });
  });
});

describe('what is refused', () => {
  test.each([
    ['nothing', Buffer.alloc(0), /cannot be decoded/],
    ['a text', Buffer.from('these are no pixels'), /cannot be decoded/],
    ['pixels', new Uint8Array(2 * 2 * 3), /Pixels are given as \{ data, shape: \[N, H, W, C\] \}/],
  ])('%s', async (_, bytes, message) => {
    const error = await refusal(() => decodePictures([bytes], [2, 2, 3], COVER));
    expect(error).toMatchObject({ code: 'FILE_CORRUPT', message: expect.stringMatching(message) });
  });

  test('a drawing, which may name other files, whatever its own file is called', async () => {
    const svg = Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" width="2" height="2"><rect width="2" height="2"/></svg>',
    );
    expect((await sharp(svg).metadata()).format).toBe('svg'); // the library would take it
    writeFileSync(inFolder('drawing.png'), svg);
    for (const picture of [svg, inFolder('drawing.png')]) {
      const error = await refusal(() => decodePictures([picture], [2, 2, 3], COVER));
      const message = expect.stringContaining('it is svg, and pictures of this kind are not decoded');
      expect(error).toMatchObject({ code: 'FILE_CORRUPT', message });
    }
  });

  test('half a file, by its path', async () => {
    const png = await raw(Array(100 * 100).fill(7), 100, 100, 1)
      .png({ compressionLevel: 0 })
      .toBuffer();
    writeFileSync(inFolder('half.png'), png.subarray(0, png.length / 2));
    const path = inFolder('half.png');
    expect(await refusal(() => decodePictures([path], [2, 2, 1], COVER))).toMatchObject({
      code: 'FILE_CORRUPT',
      details: { path },
    });
  });

  test('a bomb', async () => {
    const png = await sharp({
      create: { width: 11_600, height: 11_600, channels: 3, background: 'red' },
      limitInputPixels: false,
    })
      .png()
      .toBuffer();
    expect(png.length).toBeLessThan(10_000_000);
    const error = await refusal(() => decodePictures([png], [2, 2, 3], COVER));
    expect(error).toMatchObject({ code: 'FILE_CORRUPT', message: expect.stringMatching(/pixel limit/) });
  });

  test('a network of two channels', async () => {
    expect(await refusal(() => decodePictures([], [2, 2, 2], COVER))).toMatchObject({ code: 'UNSUPPORTED' });
  });
});

test('the pictures of a folder and of those within, by name; other files are left', async () => {
  mkdirSync(inFolder('b'));
  for (const name of ['2.png', 'a.JPG', 'b/1.pgm', 'notes.txt', 'b/x.json'])
    writeFileSync(inFolder(name), '');
  const found = (await pictureFiles(inFolder())).map((path) => path.slice(inFolder().length + 1));
  expect(found).toEqual(['2.png', 'a.JPG', 'b/1.pgm']);
  expect(await pictureFiles(inFolder('notes.txt'))).toEqual([inFolder('notes.txt')]);
  mkdirSync(inFolder('empty'));
  expect(await refusal(() => pictureFiles(inFolder('empty')))).toMatchObject({ code: 'FILE_NOT_FOUND' });
  expect(await refusal(() => pictureFiles(inFolder('absent')))).toMatchObject({ code: 'FILE_NOT_FOUND' });
});
