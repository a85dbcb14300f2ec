/** Decoded pictures in a file: found again, replaced where pictures changed, mapped into memory, and never believed. */
import { readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { datasets, resolveData } from '../../../../lib/data/index.js';
import { packedKey, readPacked, writePacked } from '../../../../lib/data/packed/packedFile.js';
import { PackedImages } from '../../../../lib/data/packedImages.js';
import { allOf, imagesOf } from '../../../../lib/data/samples.js';
import { channelStatistics } from '../../../../lib/data/statistics.js';
import { usingFile } from '../../../../lib/files/tensorFile.js';
import { linear, sequential, train } from '../../../../lib/index.js';
import { plainPng, writeInto } from '../../../support/pictures.js';
import { refusal } from '../../../support/refusal.js';
import { temporaryFolder } from '../../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const [H, W, C] = [4, 5, 3];

/** Random bytes, the same each time. */
function pixels(count: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: count * H * W * C }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 24;
  });
}

/** `count` samples in pieces of three, two of three to train on. */
async function pack(file: string, count: number): Promise<Uint8Array> {
  const all = pixels(count);
  const size = H * W * C;
  await writePacked(
    file,
    {
      size: [H, W, C],
      labels: Int32Array.from({ length: count }, (_, sample) => sample % 3),
      async *images() {
        for (let first = 0; first < count; first += 3) yield all.subarray(first * size, (first + 3) * size);
      },
    },
    { name: 'packed', classNames: ['a', 'b', 'c'], train: (count * 2) / 3, notes: [] },
  );
  return all;
}

test('what is read is what was written, in the published format', async () => {
  const all = await pack(inFolder('p.safetensors'), 12);
  const { name, classNames, train: trained, test: tested } = await datasets.packed(inFolder('p.safetensors'));
  expect([name, classNames]).toEqual(['packed', ['a', 'b', 'c']]);
  expect(trained.images.shape).toEqual([8, H, W, C]);
  expect(Buffer.from(trained.images.data).equals(all.subarray(0, 8 * H * W * C))).toBe(true);
  expect(Buffer.from(tested!.images.data).equals(all.subarray(8 * H * W * C))).toBe(true);
  expect([...tested!.labels]).toEqual([2, 0, 1, 2]);
  // By the bytes themselves: https://github.com/huggingface/safetensors
  const bytes = readFileSync(inFolder('p.safetensors'));
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  const [begin] = header.images.data_offsets;
  expect(header.images).toMatchObject({ dtype: 'U8', shape: [12, H, W, C] });
  expect(
    bytes
      .subarray(8 + length + begin)
      .subarray(0, all.length)
      .equals(all),
  ).toBe(true);
  await usingFile(inFolder('p.safetensors'), (file) => file.verify());
  expect((await resolveData(inFolder('p.safetensors'))).name).toBe('packed');
});

test('images across two views are whole, and statistics are those of the array', async () => {
  const all = await pack(inFolder('p.safetensors'), 300);
  const { train: trained } = await readPacked(inFolder('p.safetensors'));
  const array = {
    images: { data: all.slice(0, 200 * H * W * C), shape: trained.images.shape },
    labels: trained.labels,
  };
  expect(trained.images).toBeInstanceOf(PackedImages);
  const { file, begin, shape } = trained.images as PackedImages;
  const narrow = new PackedImages(file, begin, shape, 7 * H * W * C);
  for (const [first, count] of [
    [0, 1],
    [6, 2],
    [13, 100],
    [199, 1],
  ] as const) {
    const expected = all.subarray(first * H * W * C, (first + count) * H * W * C);
    expect(Buffer.from(narrow.pixels(first, count)).equals(expected)).toBe(true);
  }
  const some = { ...allOf({ ...trained, images: narrow }), numbers: Int32Array.of(5, 7, 150) };
  expect(imagesOf(some)).toEqual(imagesOf({ ...some, images: array.images }));
  expect(await channelStatistics(allOf(trained))).toEqual(await channelStatistics(allOf(array)));
});

test('what is written to the images stays in this process', async () => {
  await pack(inFolder('p.safetensors'), 3);
  const before = readFileSync(inFolder('p.safetensors'));
  const { train: trained } = await readPacked(inFolder('p.safetensors'));
  trained.images.data.fill(1);
  expect(trained.images.data[0]).toBe(1);
  expect(readFileSync(inFolder('p.safetensors')).equals(before)).toBe(true);
});

test('training gives the weights that it gives on arrays, with held-out images too', async () => {
  const all = await pack(inFolder('p.safetensors'), 90);
  const packed = await readPacked(inFolder('p.safetensors'));
  const array = (first: number, end: number) => ({
    images: { data: all.slice(first * H * W * C, end * H * W * C), shape: [end - first, H, W, C] as const },
    labels: Int32Array.from({ length: end - first }, (_, index) => (first + index) % 3),
  });
  const run = async (data: Parameters<typeof train>[0] & object) => {
    const result = await train({
      ...data,
      ...{ model: sequential([linear({ outFeatures: 8 })]), epochs: 2, batchSize: 16, validation: 0.25 },
      ...{ device: 'cpu', deterministic: true, threads: 1 },
    });
    using model = result.model;
    await model.save(inFolder('model.safetensors'));
    return { history: result.history.map(({ loss, validation }) => [loss, validation]), test: result.test };
  };
  const expected = await run({
    data: { ...array(0, 60), classNames: packed.classNames, test: array(60, 90) },
  });
  expect(await run({ data: packed })).toEqual(expected);
});

test('a file that is cut short while it is trained on ends the run by name, not the process', async () => {
  const path = inFolder('cut.safetensors');
  await pack(path, 9000);
  const data = await readPacked(path);
  const running = () =>
    train({
      ...{ data, model: sequential([linear({ outFeatures: 4 })]), epochs: 3, batchSize: 64 },
      ...{ device: 'cpu', threads: 1, onEpoch: () => truncateSync(path, 5000) },
    });
  const expected = {
    code: 'INVALID_DATA',
    message: expect.stringMatching(
      /cut\.safetensors was written to while it was in use: it had \d+ bytes, and has 5000$/,
    ),
  };
  expect(await refusal(running)).toMatchObject(expected);
  expect(await refusal(() => data.test!.images.data)).toMatchObject(expected);
  expect(await refusal(() => (data.train.images as PackedImages).pixels(0, 1))).toMatchObject(expected);
});

describe('a folder of pictures is decoded once', () => {
  const photos = (cache?: string) =>
    datasets.imageFolder(inFolder('photos'), { size: 2, ...(cache !== undefined && { cache }) });

  async function writePhotos(): Promise<void> {
    for (const name of ['a', 'b']) {
      for (let index = 0; index < 4; index++) {
        writeInto(inFolder('photos', name, `${index}.png`), await plainPng([index, name.charCodeAt(0), 3]));
      }
    }
  }

  test('into the cache folder, whose file is taken the next time', async () => {
    await writePhotos();
    process.env.XDG_CACHE_HOME = inFolder('home');
    const first = await photos();
    const folder = inFolder('home', 'margincore');
    const [file, ...others] = readdirSync(folder);
    expect([file, others]).toEqual([expect.stringMatching(/^photos-[0-9a-f]{16}\.safetensors$/), []]);
    const { mtimeNs, ino } = statSync(`${folder}/${file}`, { bigint: true });
    const again = await photos();
    expect(again).toEqual(first);
    expect(again.notes).toEqual([]);
    expect(statSync(`${folder}/${file}`, { bigint: true })).toMatchObject({ mtimeNs, ino });
    // Other settings have a file of their own.
    await datasets.imageFolder(inFolder('photos'), { size: 3 });
    expect(readdirSync(folder)).toHaveLength(2);
  });

  test('and anew where a picture has changed, came or went, which is said; what was read stays', async () => {
    await writePhotos();
    const first = await photos(inFolder('cache'));
    const before = Uint8Array.from(first.train.images.data);
    const stale = [{ code: 'DECODED_ANEW', message: expect.stringContaining(inFolder('photos')) }];

    writeFileSync(inFolder('photos', 'a', '1.png'), await plainPng([99, 99, 99]));
    const changed = await photos(inFolder('cache'));
    expect(changed.notes).toEqual(stale);
    const all = [...changed.train.images.data, ...changed.test!.images.data];
    expect(all.filter((value) => value === 99)).toHaveLength(12);
    expect(first.train.images.data).toEqual(before);
    expect((await photos(inFolder('cache'))).notes).toEqual([]);

    utimesSync(inFolder('photos', 'b', '0.png'), 1, 1);
    expect((await photos(inFolder('cache'))).notes).toEqual(stale);
    writeInto(inFolder('photos', 'b', '4.png'), await plainPng([4, 4, 4]));
    const more = await photos(inFolder('cache'));
    expect(more.notes).toEqual(stale);
    expect(more.train.labels.length + more.test!.labels.length).toBe(9);
  });

  test('a cache file that is damaged is written anew; where none can be written, that is said', async () => {
    await writePhotos();
    const first = await photos(inFolder('cache'));
    const file = inFolder('cache', readdirSync(inFolder('cache'))[0]!);
    writeFileSync(file, readFileSync(file).subarray(0, -5));
    expect(await packedKey(file)).toBeUndefined();
    expect(await photos(inFolder('cache'))).toEqual(first);
    writeInto(inFolder('no-folder'), '');
    expect(await refusal(() => photos(inFolder('no-folder')))).toMatchObject({
      code: 'FILE_NOT_WRITTEN',
      details: { path: inFolder('no-folder') },
    });
  });
});

/** A part of a description that is to be spoiled. */
// biome-ignore lint/suspicious/noExplicitAny: it is JSON, of which tests know what is in it
type Parts = Record<string, any>;

describe('a packed file that somebody spoiled is refused', () => {
  const change = (edit: (header: Parts) => void) => {
    const bytes = readFileSync(inFolder('p.safetensors'));
    const length = Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
    edit(header);
    const json = Buffer.from(JSON.stringify(header));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(json.length));
    writeFileSync(inFolder('p.safetensors'), Buffer.concat([size, json, bytes.subarray(8 + length)]));
  };
  const description = (edit: (data: Parts) => void) =>
    change((header) => {
      const data = JSON.parse(header.__metadata__.data);
      edit(data);
      header.__metadata__.data = JSON.stringify(data);
    });

  test.each<[string, string, () => void]>([
    ['of another kind', 'FILE_CORRUPT', () => change((header) => (header.__metadata__.format = 'model'))],
    ['newer', 'NEWER_VERSION', () => change((header) => (header.__metadata__.version = '2'))],
    ['of no images', 'FILE_CORRUPT', () => change((header) => (header.images.shape = [3, 60]))],
    ['of fewer images', 'FILE_CORRUPT', () => change((header) => (header.images.shape = [6, 2, 5, 3]))],
    ['of other types', 'FILE_CORRUPT', () => change((header) => (header.images.dtype = 'I8'))],
    ['without digests', 'FILE_CORRUPT', () => change((header) => (header.digests.shape = [3, 1]))],
    ['with no JSON in it', 'FILE_CORRUPT', () => change((header) => (header.__metadata__.data = '{'))],
    ['with more to train on than there is', 'FILE_CORRUPT', () => description((data) => (data.train = 4))],
    ['with nothing to train on', 'FILE_CORRUPT', () => description((data) => (data.train = 0))],
    [
      'with fewer classes than labels',
      'INVALID_DATA',
      () => description((data) => (data.classNames = ['a', 'b'])),
    ],
    ['with names that are none', 'FILE_CORRUPT', () => description((data) => (data.classNames = [1, 2, 3]))],
    ['with notes that are none', 'INVALID_OPTION', () => description((data) => (data.notes = [1]))],
    [
      'with an unknown way to size',
      'FILE_CORRUPT',
      () => description((data) => (data.preprocessing = { resize: 'fit' })),
    ],
    [
      'truncated',
      'FILE_CORRUPT',
      () =>
        writeFileSync(inFolder('p.safetensors'), readFileSync(inFolder('p.safetensors')).subarray(0, 300)),
    ],
    ['empty', 'FILE_CORRUPT', () => writeFileSync(inFolder('p.safetensors'), '')],
  ])('%s', async (_, code, spoil) => {
    await pack(inFolder('p.safetensors'), 3);
    spoil();
    expect(await refusal(() => datasets.packed(inFolder('p.safetensors')))).toMatchObject({ code });
  });

  test('or not there', async () => {
    expect(await refusal(() => datasets.packed(inFolder('none')))).toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});
