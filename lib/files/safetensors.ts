/**
 * safetensors (https://github.com/huggingface/safetensors, format): eight bytes with the length of a JSON header, the
 * header with each tensor's type, shape and place, then the tensors one behind the other. Ours carry a checksum as well.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { MarginCoreError } from '../base/errors.js';
import { BYTES, type DType, toBfloat16 } from './dtype.js';
import { writeAside, writeWhole } from './writeAside.js';

export interface TensorInfo {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A tensor that is fetched when its turn comes, so that never all of them are in memory. */
export type TensorToWrite = FloatsToWrite | BytesToWrite;

export interface FloatsToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'F32' | 'BF16';
  /** In pieces that follow one another. */
  values(): Promise<Iterable<Float32Array>>;
}

/** Its values come in pieces, as they lie in the file. */
interface BytesToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'U8' | 'I32' | 'U64';
  pieces(): AsyncIterable<Uint8Array | Int32Array | BigUint64Array>;
}

/** Texts by name, as the format has them. */
export type Metadata = Readonly<Record<string, string>>;

export const METADATA = '__metadata__';

/** The entry of our metadata that has the checksum: see `checksumOf`. */
export const CHECKSUM = 'sha256';
const NO_CHECKSUM = '0'.repeat(64);
/** What stands before it in a header of ours. */
const BEFORE_CHECKSUM = `{"${METADATA}":{"${CHECKSUM}":"`;

/** A tensor's description, with the SHA-256 of its bytes. */
export interface Digest extends TensorInfo {
  readonly name: string;
  readonly sha256: string;
}

/**
 * SHA-256, in hexadecimal, of all that a file says, in whatever order it says it: other programs that write our file anew, with its metadata,
 * leave it right.
 */
export function checksumOf(metadata: Metadata, tensors: readonly Digest[]): string {
  const sorted = <T>(entries: readonly (readonly [string, T])[]) =>
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const { [CHECKSUM]: _, ...entries } = metadata;
  const described = tensors.map(({ name, dtype, shape, sha256 }) => [name, [dtype, shape, sha256]] as const);
  const content = [sorted(Object.entries(entries)), sorted(described)];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

/** The format leaves it open; readers that map a file take them as they lie. */
const ALIGNMENT = 8;
/** Numbers that are rounded, hashed and written at once: some 5 ms of the event loop. */
const PIECE = 2 ** 21;

export const LENGTH_BYTES = 8;
/** What the format's own library reads at most. */
export const LARGEST_HEADER = 100_000_000;

/** Written aside: see `writeAside`. */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Metadata,
): Promise<void> {
  await writeAside(path, async (file) => {
    await writeWhole(file, headerOf(tensors, metadata));
    const digests: Digest[] = [];
    for (const tensor of tensors) {
      const { name, shape, dtype } = tensor;
      digests.push({ name, shape, dtype, sha256: await writeHashed(file, piecesOf(tensor)) });
    }
    await file.write(checksumOf(metadata, digests), LENGTH_BYTES + BEFORE_CHECKSUM.length, 'ascii');
  });
}

function headerOf(tensors: readonly TensorToWrite[], metadata: Metadata): Uint8Array {
  const entries: Record<string, unknown> = { [METADATA]: { [CHECKSUM]: NO_CHECKSUM, ...metadata } };
  let end = 0;
  for (const { name, shape, dtype } of tensors) {
    if (Object.hasOwn(entries, name)) {
      throw new MarginCoreError(
        'INVALID_OPTION',
        `Two tensors would be called '${name}': one of them needs another name`,
      );
    }
    const begin = end;
    end += shape.reduce((product, size) => product * size, BYTES[dtype]);
    entries[name] = { dtype, shape, data_offsets: [begin, end] };
  }
  const json = Buffer.from(JSON.stringify(entries));
  if (json.length > LARGEST_HEADER - ALIGNMENT) {
    throw new MarginCoreError(
      'UNSUPPORTED',
      `Names and descriptions take ${json.length} bytes, and a file has ${LARGEST_HEADER} for them`,
    );
  }
  const padded = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const header = Buffer.alloc(LENGTH_BYTES + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded));
  json.copy(header, LENGTH_BYTES);
  return header;
}

async function* piecesOf(tensor: TensorToWrite): AsyncGenerator<ArrayBufferView> {
  if ('pieces' in tensor) return yield* tensor.pieces();
  for (const all of await tensor.values()) {
    for (let begin = 0; begin < all.length; begin += PIECE) {
      const numbers = all.subarray(begin, begin + PIECE);
      yield tensor.dtype === 'BF16' ? toBfloat16(numbers) : numbers;
    }
  }
}

/** Returns the SHA-256 of what it wrote. */
async function writeHashed(file: FileHandle, pieces: AsyncIterable<ArrayBufferView>): Promise<string> {
  const hash = createHash('sha256');
  for await (const { buffer, byteOffset, byteLength } of pieces) {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    const written = writeWhole(file, bytes); // by another thread, while this one hashes
    hash.update(bytes);
    await written;
  }
  return hash.digest('hex');
}
