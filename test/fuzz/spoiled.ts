/** Bytes as nobody wrote them: a right file with some places spoiled, or anything at all. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { CHECKSUM, checksumOf, METADATA } from '../../lib/files/safetensors.js';

/** What parsers take for something: sizes at their limits, keys of prototypes, brackets that do not close. */
const WORDS = [
  ...[
    '0',
    '-1',
    '1e400',
    '0.5',
    '9007199254740993',
    '18446744073709551615',
    'null',
    'true',
    '""',
    '"__proto__"',
  ],
  ...[
    '{',
    '}',
    '[',
    ']',
    '[[[[[[[[',
    ':',
    ',',
    '"constructor"',
    '"F32"',
    '"BF16"',
    '"I64"',
    '\\u0000',
    '"residual"',
  ],
  ...['"layers"', '"head"', '"arcface"', '"classes"', '"outChannels":2147483648', '"data_offsets":[0,0]'],
].map((word) => Buffer.from(word));

interface Change {
  /** Of the length, 0…1 */
  readonly at: number;
  readonly remove: number;
  readonly insert: Buffer;
}

const change: fc.Arbitrary<Change> = fc.record({
  // Most of what can go wrong stands at the beginning.
  at: fc.oneof(fc.double({ min: 0, max: 0.05, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
  remove: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(200)),
  insert: fc.oneof(
    fc.constant(Buffer.alloc(0)),
    fc.constantFrom(...WORDS),
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  ),
});

/** Another value in place of one that a header has, wherever it stands; undefined: none. */
interface OtherValue {
  readonly place: number;
  readonly value: unknown;
}

const otherValue: fc.Arbitrary<OtherValue> = fc.record({
  place: fc.nat(),
  value: fc.constantFrom(
    ...[undefined, null, true, -1, 0, 0.5, 7, 2 ** 31, 2 ** 53, 1e300, '', 'x', '__proto__', 'Infinity'],
    ...[[], {}, [[]], [1, 2, 3], { type: 'relu' }, { nonFinite: 'NaN' }],
  ),
});

/** @param right Files that are right, of which one is spoiled */
export function spoiled(right: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const someOf = fc
    .tuple(fc.constantFrom(...right), fc.array(change, { minLength: 1, maxLength: 6 }))
    .map(([bytes, changes]) => changes.reduce(applied, bytes));
  const any = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  const described = fc
    .tuple(fc.constantFrom(...right), fc.array(otherValue, { minLength: 1, maxLength: 3 }))
    .map(([bytes, values]) => withChecksum(values.reduce(withOtherValue, bytes)));
  return fc.oneof(
    { weight: 9, arbitrary: described },
    { weight: 9, arbitrary: someOf.map((bytes) => withChecksum(withLength(bytes))) },
    { weight: 1, arbitrary: someOf.map(withLength) },
    { weight: 1, arbitrary: someOf },
    { weight: 1, arbitrary: any },
  );
}

function applied(bytes: Buffer, { at, remove, insert }: Change): Buffer {
  const begin = Math.floor(at * bytes.length);
  return Buffer.concat([bytes.subarray(0, begin), insert, bytes.subarray(begin + remove)]);
}

/** What is no such file stays as it is. Descriptions in the metadata are JSON in JSON. */
function withOtherValue(bytes: Buffer, { place, value }: OtherValue): Buffer {
  try {
    const end = 8 + Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.subarray(8, end).toString());
    const metadata = header[METADATA];
    const texts = Object.keys(metadata).filter((key) => metadata[key].startsWith('{'));
    for (const key of texts) metadata[key] = JSON.parse(metadata[key]);
    // Most of a header are tensors, and most of what can go wrong are descriptions.
    const described = texts.flatMap((each) => placesIn(metadata[each]));
    const places = place % 4 === 0 || described.length === 0 ? placesIn(header) : described;
    const [container, key] = places[Math.floor(place / 4) % places.length]!;
    if (value === undefined) delete container[key];
    else container[key] = value;
    for (const key of texts) metadata[key] = JSON.stringify(metadata[key]);
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, bytes.subarray(end)]);
  } catch {
    return bytes;
  }
}

type Container = Record<string, unknown>;

function placesIn(container: Container): [Container, string][] {
  return Object.entries(container).flatMap(([key, inner]): [Container, string][] => [
    [container, key],
    ...(typeof inner === 'object' && inner !== null ? placesIn(inner as Container) : []),
  ]);
}

/** With a header's length that fits what stands there: without it nearly nothing would get past the first check. */
function withLength(bytes: Buffer): Buffer {
  const end = bytes.lastIndexOf('}}');
  if (end < 8) return bytes;
  const result = Buffer.from(bytes);
  result.writeBigUInt64LE(BigInt(end + 2 - 8));
  return result;
}

/**
 * With the checksum that fits what stands there, which whoever alters a file can give it: without it nothing would get past
 * that. What is no such file stays as it is.
 */
function withChecksum(bytes: Buffer): Buffer {
  try {
    const dataBegin = 8 + Number(bytes.readBigUInt64LE());
    const header = bytes.subarray(8, dataBegin).toString();
    const { [METADATA]: metadata, ...tensors } = JSON.parse(header);
    const digests = Object.entries<{ dtype: 'F32'; shape: number[]; data_offsets: [number, number] }>(
      tensors,
    ).map(([name, { dtype, shape, data_offsets: offsets }]) => {
      const [begin, end] = offsets.map((offset) => dataBegin + offset) as [number, number];
      const sha256 = createHash('sha256').update(bytes.subarray(begin, end)).digest('hex');
      return { name, dtype, shape, sha256 };
    });
    const old = `"${CHECKSUM}":"${metadata[CHECKSUM]}"`;
    const place = header.indexOf(old);
    const right = `"${CHECKSUM}":"${checksumOf(metadata, digests)}"`;
    if (place < 0 || right.length !== old.length) return bytes;
    const result = Buffer.from(bytes);
    result.write(right, 8 + Buffer.byteLength(header.slice(0, place)));
    return result;
  } catch {
    return bytes;
  }
}
