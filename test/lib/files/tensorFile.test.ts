/** Files of tensors: what the format's own library wrote, what we write, and what is none. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { writeSafetensors } from '../../../lib/files/safetensors.js';
import { TensorFile, usingFile } from '../../../lib/files/tensorFile.js';
import { refusal } from '../../support/refusal.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

const tensor = (name: string, shape: number[], values: number[], dtype: 'F32' | 'BF16' = 'F32') => ({
  name,
  shape,
  dtype,
  values: async () => [Float32Array.from(values)],
});

describe("a file of the format's own library (python.py)", () => {
  const path = join(packageRoot(), 'test/lib/files/python.safetensors');
  const expected = JSON.parse(readFileSync(join(packageRoot(), 'test/lib/files/python.json'), 'utf8')) as {
    metadata: Record<string, string>;
    tensors: Record<string, { shape: number[]; values: (number | string)[] }>;
  };

  test('has the same tensors and metadata', () =>
    usingFile(path, async (file) => {
      expect(file.metadata).toEqual(expected.metadata);
      expect([...file.tensors.keys()].sort()).toEqual([...Object.keys(expected.tensors), 'counter'].sort());
      for (const [name, { shape, values }] of Object.entries(expected.tensors)) {
        expect([name, file.tensors.get(name)!.shape]).toEqual([name, shape]);
        expect([name, ...(await file.floats(name))]).toEqual([name, ...values.map(Number)]);
      }
      expect(file.hasChecksum).toBe(false);
    }));

  test('has numbers that are no floats', () =>
    usingFile(path, async (file) => {
      expect(file.tensors.get('counter')!.dtype).toBe('I64');
      const error = await refusal(() => file.floats('counter'));
      expect(error).toMatchObject({
        code: 'FILE_CORRUPT',
        message: expect.stringMatching(/'counter' is I64; expected F32/),
      });
    }));
});

test.each(['F32', 'BF16'] as const)('%s that is written and read in several pieces', async (dtype) => {
  const path = inFolder('large.safetensors');
  const count = 3 * 2 ** 21 + 3;
  // Whole numbers that bf16 has, of a period that fits no piece.
  const values = Float32Array.from({ length: count }, (_, index) => (index % 251) - 100);
  const pieces = [values.subarray(0, 5), values.subarray(5)];
  await writeSafetensors(path, [{ name: 'large', shape: [count], dtype, values: async () => pieces }], {});
  await usingFile(path, async (file) => {
    await file.verify();
    expect(Buffer.from((await file.floats('large')).buffer).equals(Buffer.from(values.buffer))).toBe(true);
  });
});

test('what is written is read back, and has its checksum', async () => {
  const path = inFolder('ours.safetensors');
  const metadata = { what: 'a "test"', other: 'ü\n' };
  await writeSafetensors(
    path,
    [tensor('a', [2, 2], [1, -2.5, 3e-8, 4]), tensor('none', [0, 3], []), tensor('b', [], [7])],
    metadata,
  );
  await usingFile(path, async (file) => {
    const { sha256, ...rest } = file.metadata;
    expect(rest).toEqual(metadata);
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect([...(await file.floats('a'))]).toEqual([...Float32Array.of(1, -2.5, 3e-8, 4)]);
    expect(await file.floats('none')).toHaveLength(0);
    expect([...(await file.floats('b'))]).toEqual([7]);
    await file.verify();
  });
  expect(readdirSync(inFolder())).toEqual(['ours.safetensors']);
});

test('bf16 rounds to the nearest of the two, and to the even one between them', async () => {
  const path = inFolder('bf16.safetensors');
  // 1 + 2⁻⁸ lies between 1 and 1 + 2⁻⁷; 1 + 3·2⁻⁸ between that and 1 + 2⁻⁶.
  const values = [
    1,
    1 + 2 ** -8,
    1 + 3 * 2 ** -8,
    1 + 2 ** -8 + 2 ** -20,
    -1 - 2 ** -8,
    3e38,
    Number.POSITIVE_INFINITY,
    Number.NaN,
  ];
  await writeSafetensors(path, [tensor('a', [8], values, 'BF16')], {});
  const read = await usingFile(path, (file) => file.floats('a'));
  // The sixth as PyTorch has it: torch.tensor(3e38).bfloat16().
  const expected = [
    1,
    1,
    1 + 2 ** -6,
    1 + 2 ** -7,
    -1,
    3.00405527047391e38,
    Number.POSITIVE_INFINITY,
    Number.NaN,
  ];
  expect([...read]).toEqual(expected);
});

test.each([
  ['of a tensor', (bytes: Buffer) => bytes.length - 3],
  ['of its checksum', (bytes: Buffer) => bytes.indexOf('sha256') + 12],
  ['of its metadata', (bytes: Buffer) => bytes.indexOf('of mine') + 1],
  ['of the name of a tensor', (bytes: Buffer) => bytes.indexOf('"a"') + 1],
])('a bit %s that was turned is seen', async (_, place) => {
  const path = inFolder('damaged.safetensors');
  await writeSafetensors(path, [tensor('a', [4], [1, 2, 3, 4])], { text: 'of mine' });
  const bytes = readFileSync(path);
  bytes[place(bytes)]! ^= 1;
  writeFileSync(path, bytes);
  const error = await refusal(() => usingFile(path, (file) => file.verify()));
  expect(error.code).toBe('FILE_CORRUPT');
});

test("our file, written anew by the format's own library, keeps its checksum (python.py)", () =>
  usingFile(join(packageRoot(), 'test/lib/files/rewritten.safetensors'), async (file) => {
    expect(file.metadata.text).toBe('of mine');
    await file.verify();
  }));

test('two tensors of one name are not written', async () => {
  const twice = [tensor('a', [1], [1]), tensor('a', [1], [2])];
  const error = await refusal(() => writeSafetensors(inFolder('twice'), twice, {}));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining("'a'") });
  expect(readdirSync(inFolder())).toEqual([]);
});

/** A file with this header, as text or object, and so many bytes of data. */
function fileWith(header: unknown, data = 0, length?: bigint): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = Buffer.alloc(8 + text.length + data);
  bytes.writeBigUInt64LE(length ?? BigInt(text.length));
  text.copy(bytes, 8);
  return bytes;
}

const f32 = (shape: unknown, begin: unknown, end: unknown) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

describe('what is no file of tensors', () => {
  test.each<[string, Buffer, RegExp]>([
    ['nothing', Buffer.alloc(0), /not a safetensors file, with only 0 bytes/],
    ['seven bytes', Buffer.alloc(7), /with only 7 bytes/],
    [
      'a header of 2⁶³ bytes',
      fileWith({}, 0, 2n ** 63n),
      /a header of 9223372036854775808 bytes, of 2 that there could be/,
    ],
    ['a picture', Buffer.from('\x89PNG\r\n\x1a\n........'), /not a safetensors file, or it is truncated/],
    ['a header that is no JSON', fileWith('{"a":'), /header is not JSON/],
    [
      'a header that is no UTF-8',
      fileWith('').length
        ? Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from([0xff, 0xfe])])
        : Buffer.alloc(0),
      /header is not JSON/,
    ],
    ['a header that is an array', fileWith([]), /header is not an object/],
    ['metadata of numbers', fileWith({ __metadata__: { a: 1 } }), /not an object of texts/],
    ['a tensor that is null', fileWith({ a: null }), /tensor 'a' is not described/],
    [
      'an unknown type',
      fileWith({ a: { dtype: 'F31', shape: [1], data_offsets: [0, 4] } }, 4),
      /has the type "F31"/,
    ],
    [
      'a type of the prototype',
      fileWith({ a: { dtype: 'toString', shape: [1], data_offsets: [0, 4] } }, 4),
      /has the type "toString"/,
    ],
    ['a negative size', fileWith({ a: f32([-1], 0, 4) }, 4), /no list of sizes/],
    ['half a size', fileWith({ a: f32([0.5], 0, 2) }, 2), /no list of sizes/],
    [
      'sizes whose product is beyond all numbers',
      fileWith({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4),
      /has 4 bytes, expected/,
    ],
    ['offsets that run backwards', fileWith({ a: f32([1], 8, 4) }, 8), /has -4 bytes, expected 4/],
    [
      'an offset of 2⁶³',
      fileWith('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775808]}}'),
      /no two offsets/,
    ],
    ['a tensor behind the end', fileWith({ a: f32([4], 0, 16) }, 8), /bytes, expected .*truncated/],
    [
      'tensors that overlap',
      fileWith({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12),
      /overlap, or leave a gap/,
    ],
    ['a gap', fileWith({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), /overlap, or leave a gap/],
    [
      'a name twice',
      fileWith(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        8,
      ),
      /leave a gap/,
    ],
    ['something behind the tensors', fileWith({ a: f32([1], 0, 4) }, 5), /something follows/],
    [
      'a header that is 100,000 arrays deep',
      fileWith(`{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`),
      /cannot be used/,
    ],
  ])('%s', async (_, bytes, message) => {
    const path = inFolder('wrong.safetensors');
    writeFileSync(path, bytes);
    const error = await refusal(() => TensorFile.open(path));
    expect(error).toMatchObject({
      code: 'FILE_CORRUPT',
      message: expect.stringMatching(message),
      details: { path },
    });
  });

  test('a name as of a prototype is a name', async () => {
    const path = inFolder('proto.safetensors');
    writeFileSync(path, fileWith('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4));
    expect(await usingFile(path, (file) => file.floats('__proto__'))).toHaveLength(1);
  });

  test('a folder, a pipe that nobody fills, and what is not there', async () => {
    mkdirSync(inFolder('folder'));
    execFileSync('mkfifo', [inFolder('pipe')]);
    expect(await refusal(() => TensorFile.open(inFolder('folder')))).toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    expect(await refusal(() => TensorFile.open(inFolder('pipe')))).toMatchObject({ code: 'FILE_CORRUPT' });
    expect(await refusal(() => TensorFile.open(inFolder('none')))).toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});
