/**
 * safetensors (https://github.com/huggingface/safetensors, format): eight bytes with the length of a JSON header, the
 * header with each tensor's type, shape and place, then the tensors one behind the other. Ours carry a checksum as well.
 */
import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { MarginCoreError } from '../base/errors.js';
import { BYTES, type DType, toBfloat16 } from './dtype.js';
import { writeAside } from './writeAside.js';

export interface TensorInfo {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A tensor that is fetched when its turn comes, so that never all of them are in memory. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'F32' | 'BF16';
  values(): Promise<Float32Array>;
}

/** Texts by name, as the format has them. */
export type Metadata = Readonly<Record<string, string>>;

export const METADATA = '__metadata__';

/**
 * The first entry of our metadata: SHA-256, in hexadecimal, of the whole file as it would be with zeros in this place.
 */
export const CHECKSUM = 'sha256';
export const NO_CHECKSUM = '0'.repeat(64);
/** What stands before it in a header of ours. */
export const BEFORE_CHECKSUM = `{"${METADATA}":{"${CHECKSUM}":"`;

/** The format leaves it open; readers that map a file take them as they lie. */
const ALIGNMENT = 8;
/** Hashed and written at once: some 5 ms of the event loop. */
const PIECE_BYTES = 2 ** 23;

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
    const hash = createHash('sha256');
    await write(file, hash, headerOf(tensors, metadata));
    for (const { dtype, values } of tensors) {
      const numbers = await values();
      await write(file, hash, dtype === 'BF16' ? toBfloat16(numbers) : numbers);
    }
    await file.write(hash.digest('hex'), LENGTH_BYTES + BEFORE_CHECKSUM.length, 'ascii');
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

async function write(file: FileHandle, hash: Hash, values: ArrayBufferView): Promise<void> {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  for (let begin = 0; begin < bytes.length; begin += PIECE_BYTES) {
    const piece = bytes.subarray(begin, begin + PIECE_BYTES);
    hash.update(piece);
    await writeWhole(file, piece);
  }
}

/** A write may end early, where the disk is nearly full say; the next one says why. */
async function writeWhole(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done)).bytesWritten;
  }
}
