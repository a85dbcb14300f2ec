import { mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { readIdxSplit } from '../../../../lib/data/formats/idx.js';
import { unreadable } from '../../../../lib/files/readBytes.js';
import { counting, idxBytes } from '../../../support/idxBytes.js';
import { temporaryFolder } from '../../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const IMAGES = idxBytes([3, 2, 4], counting(24));
const LABELS = idxBytes([3], [2, 0, 1]);

/** Reads a split of these two files. */
function read(images: Uint8Array, labels: Uint8Array = LABELS) {
  const files = { images: inFolder('images'), labels: inFolder('labels') };
  writeFileSync(files.images, images);
  writeFileSync(files.labels, labels);
  return readIdxSplit(files);
}

/** A refusal of the images file with this code, whose message says what was expected and found. */
function refusal(code: string, expectedAndFound: string) {
  return expect.objectContaining({
    name: 'MarginCoreError',
    code,
    message: `${inFolder('images')}: ${expectedAndFound}`,
  });
}

describe('a valid file', () => {
  const expected = {
    images: { data: counting(24), shape: [3, 2, 4, 1] },
    labels: Int32Array.of(2, 0, 1),
  };

  test('plain', async () => {
    expect(await read(IMAGES)).toEqual(expected);
  });

  test('gzipped', async () => {
    expect(await read(gzipSync(IMAGES), gzipSync(LABELS))).toEqual(expected);
  });

  test('gzipped in two members, as the format allows', async () => {
    const members = [gzipSync(IMAGES.subarray(0, 9)), gzipSync(IMAGES.subarray(9))];
    expect(await read(Buffer.concat(members))).toEqual(expected);
  });

  test('larger than one chunk of decompression', async () => {
    const pixels = new Uint8Array(3 * 1000 * 1000).map((_, index) => (index * 7919) >> 3);
    const { images } = await read(gzipSync(idxBytes([3, 1000, 1000], pixels)));
    expect(Buffer.compare(images.data, pixels)).toBe(0);
  });
});

describe('a header that is refused', () => {
  test('another format', async () => {
    await expect(read(Buffer.from('\x89PNG'.padEnd(40), 'latin1'))).rejects.toEqual(
      refusal('FILE_CORRUPT', 'expected an IDX file, which starts with 0000, found 89504e47'),
    );
  });

  test('an empty file', async () => {
    await expect(read(Buffer.alloc(0))).rejects.toEqual(
      refusal('FILE_CORRUPT', 'expected an IDX file, which starts with 0000, found nothing'),
    );
  });

  test('elements that are not bytes', async () => {
    await expect(read(idxBytes([3, 2, 4], counting(96), 0x0d))).rejects.toEqual(
      refusal('INVALID_DATA', 'expected elements of type unsigned byte, found float32'),
    );
  });

  test('labels in place of images', async () => {
    await expect(read(LABELS)).rejects.toEqual(
      refusal('INVALID_DATA', 'expected 3 dimensions, as images have, found 1'),
    );
  });

  test('a header that is cut short', async () => {
    await expect(read(IMAGES.subarray(0, 10))).rejects.toEqual(
      refusal('FILE_CORRUPT', 'expected a header of 16 bytes, found 10 bytes'),
    );
  });

  test('a size of zero', async () => {
    await expect(read(idxBytes([0, 2, 4], []))).rejects.toEqual(
      refusal('INVALID_DATA', 'expected sizes above 0, found 0×2×4'),
    );
  });
});

describe('a header that lies', () => {
  test('too few bytes', async () => {
    await expect(read(IMAGES.subarray(0, -1))).rejects.toEqual(
      refusal('FILE_CORRUPT', 'expected 40 bytes for sizes 3×2×4, found 39 bytes'),
    );
  });

  test('too few bytes in a whole gzip stream', async () => {
    await expect(read(gzipSync(IMAGES.subarray(0, -1)))).rejects.toEqual(
      refusal('FILE_CORRUPT', 'expected 40 bytes for sizes 3×2×4, found 39 bytes'),
    );
  });

  test('trailing bytes', async () => {
    await expect(read(Buffer.concat([IMAGES, Buffer.alloc(1)]))).rejects.toEqual(
      refusal('FILE_CORRUPT', 'expected 40 bytes for sizes 3×2×4, found 41 bytes'),
    );
  });

  test('trailing bytes inside gzip', async () => {
    await expect(read(gzipSync(Buffer.concat([IMAGES, Buffer.alloc(1)])))).rejects.toEqual(
      refusal('FILE_CORRUPT', 'expected 40 decompressed bytes, found more'),
    );
  });

  test.each([4_000_000_000, 1_000_000])('%d images in a small file allocate nothing', async (count) => {
    const plain = idxBytes([count, 28, 28], counting(24));
    const gzipped = gzipSync(plain);
    const claim = `expected ${count * 784 + 16} bytes for sizes ${count}×28×28, found `;
    const before = process.memoryUsage().arrayBuffers;
    await expect(read(plain)).rejects.toEqual(refusal('FILE_CORRUPT', `${claim}40 bytes`));
    await expect(read(gzipped)).rejects.toEqual(
      refusal('FILE_CORRUPT', `${claim}a gzip file of ${gzipped.length} bytes, which cannot hold them`),
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e8);
  });

  test('more than an array can hold, in a gzip file that could hold it', async () => {
    const file = gzipSync(idxBytes([5_000_000, 32, 32], new Uint8Array(6e6)), { level: 0 });
    await expect(read(file)).rejects.toEqual(
      refusal(
        'INVALID_DATA',
        'expected at most 4294967296 decompressed bytes, found a header for 5120000016',
      ),
    );
  });
});

describe('damaged gzip', () => {
  // Random pixels do not compress: the stream is longer than the part in which the header is looked for.
  const pixels = new Uint8Array(3 * 50 * 50).map((_, index) => Math.imul(index, 0x9e3779b1) >>> 24);
  const whole = gzipSync(idxBytes([3, 50, 50], pixels));

  test('cut short', async () => {
    await expect(read(whole.subarray(0, -100))).rejects.toEqual(
      refusal('FILE_CORRUPT', 'expected a whole gzip stream, found one that is cut short'),
    );
  });

  test('cut short in its checksum', async () => {
    await expect(read(whole.subarray(0, -3))).rejects.toEqual(
      refusal('FILE_CORRUPT', 'expected a whole gzip stream, found one that is cut short'),
    );
  });

  test('one bit flipped, at every 50th byte', async () => {
    for (let position = 10; position < whole.length; position += 50) {
      const damaged = Buffer.from(whole);
      damaged[position]! ^= 0x10;
      await expect(read(damaged)).rejects.toMatchObject({
        code: 'FILE_CORRUPT',
        message: expect.stringContaining(inFolder('images')),
      });
    }
  });

  test('two files joined', async () => {
    await expect(read(Buffer.concat([whole, whole]))).rejects.toEqual(
      refusal('FILE_CORRUPT', 'expected 7516 decompressed bytes, found more'),
    );
  });

  test.each([
    ['text', Buffer.from('text')],
    ['zeros', Buffer.alloc(8)],
  ])('followed by %s', async (_, tail) => {
    await expect(read(Buffer.concat([whole, tail]))).rejects.toMatchObject({ code: 'FILE_CORRUPT' });
  });
});

test('labels of another number of images', async () => {
  await expect(read(IMAGES, idxBytes([4], [0, 1, 0, 1]))).rejects.toMatchObject({
    code: 'INVALID_DATA',
    message: `${inFolder('labels')}: expected 3 labels, as ${inFolder('images')} has 3 images, found 4`,
  });
});

describe('a file that cannot be read', () => {
  const files = () => ({ images: inFolder('images'), labels: inFolder('labels') });

  test('missing', async () => {
    await expect(readIdxSplit(files())).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: `${inFolder('images')} does not exist`,
      cause: { code: 'ENOENT' },
    });
  });

  test('a folder', async () => {
    mkdirSync(inFolder('images'));
    await expect(readIdxSplit(files())).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: `${inFolder('images')} is a folder, a file was expected`,
    });
  });

  // The superuser may read everything, so the refusal itself cannot be provoked everywhere.
  test('no permission', () => {
    const error = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    expect(unreadable('/data/images', error)).toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: '/data/images may not be read with the permissions of this process',
      cause: error,
    });
  });

  test('any other reason keeps its words', () => {
    const error = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
    expect(unreadable('/data/images', error).message).toBe(
      '/data/images cannot be read: EIO: i/o error, read',
    );
  });
});
