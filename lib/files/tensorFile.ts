/** A safetensors file that somebody wrote: nothing in it is believed before it is checked. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isRecord } from '../base/check.js';
import { MarginCoreError } from '../base/errors.js';
import { BYTES, type DType, isFloatType, toFloat32 } from './dtype.js';
import { parseJson } from './json.js';
import { isFolder, unreadable } from './readBytes.js';
import {
  CHECKSUM,
  checksumOf,
  type Digest,
  LARGEST_HEADER,
  LENGTH_BYTES,
  METADATA,
  type Metadata,
  type TensorInfo,
} from './safetensors.js';

/** Of a header: entries of tensors with their shapes and offsets. */
const HEADER_LIMITS = { depth: 3, count: 3 * 2 ** 18 };
/** Read and hashed at once: some 5 ms of the event loop. */
const PIECE_BYTES = 2 ** 23;

export interface Place extends TensorInfo {
  /** Bytes from the beginning of the file */
  readonly begin: number;
  readonly end: number;
}

/** Some of many, one after another. */
export interface Part {
  readonly first: number;
  readonly count: number;
}

export class TensorFile {
  readonly metadata: Metadata;
  readonly tensors: ReadonlyMap<string, Place>;

  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    size: number,
    header: Buffer,
  ) {
    const corrupt = (what: string) => corruptFile(path, what);
    const { metadata, places } = parseHeader(header, size, corrupt);
    this.metadata = metadata;
    this.tensors = places;
  }

  /**
   * Reads the header alone. Rejects with FILE_NOT_FOUND, and with FILE_CORRUPT for anything that is not a safetensors file
   * whose tensors fill it exactly.
   */
  static async open(path: string): Promise<TensorFile> {
    const file = await openFile(path);
    try {
      const status = await file.stat();
      if (status.isDirectory()) throw isFolder(path);
      if (!status.isFile()) throw corruptFile(path, 'it is not a regular file');
      return new TensorFile(path, file, status.size, await readHeader(path, file, status.size));
    } catch (error) {
      await file.close();
      throw isOfSystem(error)
        ? unreadable(path, error)
        : error instanceof MarginCoreError
          ? error
          : corruptFile(path, `its header cannot be read (${(error as Error).message})`);
    }
  }

  /**
   * Values as fp32, of any number: bytes of more than 4 GiB there cannot be in one array. Rejects with FILE_CORRUPT where there is no such
   * tensor, or it has no floating-point numbers.
   * @param part Of its numbers. Default: all.
   */
  async floats(name: string, part?: Part): Promise<Float32Array> {
    const place = this.tensors.get(name);
    if (place === undefined) throw corruptFile(this.path, `it has no tensor '${name}'`);
    const { dtype, end } = place;
    if (!isFloatType(dtype)) {
      throw corruptFile(this.path, `tensor '${name}' is ${dtype}; expected F32, BF16, F16 or F64`);
    }
    const size = BYTES[dtype];
    const begin = place.begin + size * (part?.first ?? 0);
    const values = new Float32Array(part?.count ?? (end - begin) / size);
    const most = PIECE_BYTES / size;
    for (let first = 0; first < values.length; first += most) {
      const count = Math.min(most, values.length - first);
      const bytes =
        dtype === 'F32'
          ? new Uint8Array(values.buffer, size * first, size * count)
          : new Uint8Array(size * count);
      await readWhole(this.path, this.file, bytes, begin + size * first);
      if (dtype !== 'F32') values.set(toFloat32(bytes, dtype), first);
    }
    return values;
  }

  /** Whether the file carries a checksum at all: other programs write none. */
  get hasChecksum(): boolean {
    return this.metadata[CHECKSUM] !== undefined;
  }

  /** Reads all of it, and rejects with FILE_CORRUPT where its checksum is missing, or that of another content. */
  async verify(signal?: AbortSignal): Promise<void> {
    const digests: Digest[] = [];
    const room = new Uint8Array(PIECE_BYTES);
    for (const [name, { dtype, shape, begin, end }] of this.tensors) {
      const hash = createHash('sha256');
      for (let from = begin; from < end; from += PIECE_BYTES) {
        signal?.throwIfAborted();
        const piece = room.subarray(0, Math.min(PIECE_BYTES, end - from));
        await readWhole(this.path, this.file, piece, from);
        hash.update(piece);
      }
      digests.push({ name, dtype, shape, sha256: hash.digest('hex') });
    }
    if (checksumOf(this.metadata, digests) !== this.metadata[CHECKSUM]) {
      throw corruptFile(
        this.path,
        'its content does not have the checksum that it carries: it was altered or damaged',
      );
    }
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

/** Opens a file for as long as it is used. */
export async function usingFile<T>(path: string, use: (file: TensorFile) => Promise<T>): Promise<T> {
  const file = await TensorFile.open(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

const isOfSystem = (error: unknown) => (error as NodeJS.ErrnoException).syscall !== undefined;

export function corruptFile(path: string, what: string): MarginCoreError {
  return new MarginCoreError('FILE_CORRUPT', `${path} cannot be used: ${what}`, { details: { path } });
}

/** A pipe that nobody writes to would be waited for. */
async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function readHeader(path: string, file: FileHandle, size: number): Promise<Buffer> {
  const notOne = (what: string) => corruptFile(path, `it is not a safetensors file, ${what}`);
  if (size < LENGTH_BYTES) throw notOne(`with only ${size} bytes`);
  const first = Buffer.alloc(LENGTH_BYTES);
  await readWhole(path, file, first, 0);
  const length = first.readBigUInt64LE();
  const room = Math.min(size - LENGTH_BYTES, LARGEST_HEADER);
  if (length > BigInt(room)) {
    throw notOne(`or it is truncated: a header of ${length} bytes, of ${room} that there could be`);
  }
  const header = Buffer.alloc(LENGTH_BYTES + Number(length));
  await readWhole(path, file, header, 0);
  return header;
}

async function readWhole(path: string, file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(bytes.length - done, PIECE_BYTES);
    const { bytesRead } = await file.read(bytes, done, length, position + done);
    if (bytesRead === 0) throw corruptFile(path, 'it became shorter while it was read');
    done += bytesRead;
  }
}

type Corrupt = (what: string) => MarginCoreError;

function parseHeader(
  header: Buffer,
  size: number,
  corrupt: Corrupt,
): { metadata: Metadata; places: Map<string, Place> } {
  const json = headerJson(header.subarray(LENGTH_BYTES), corrupt);
  if (!isRecord(json)) throw corrupt('its header is not an object');
  const { [METADATA]: metadata = {}, ...entries } = json;
  if (!isRecord(metadata) || !Object.values(metadata).every((text) => typeof text === 'string')) {
    throw corrupt(`${METADATA} is not an object of texts`);
  }
  const places = new Map(
    Object.entries(entries).map(([name, entry]) => [name, placeOf(name, entry, header.length, corrupt)]),
  );
  expectTiling(places, header.length, size, corrupt);
  return { metadata: metadata as Metadata, places };
}

function headerJson(text: Buffer, corrupt: Corrupt): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(text), HEADER_LIMITS);
  } catch (error) {
    throw corrupt(`its header is not JSON (${(error as Error).message})`);
  }
}

function placeOf(name: string, entry: unknown, dataBegin: number, corrupt: Corrupt): Place {
  const wrong = (what: string) => corrupt(`tensor '${name}' ${what}`);
  if (!isRecord(entry)) throw wrong('is not described by an object');
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(BYTES, dtype)) {
    const shown = typeof dtype === 'string' ? JSON.stringify(dtype.slice(0, 40)) : typeof dtype;
    throw wrong(`has the type ${shown}; expected one of ${Object.keys(BYTES).join(', ')}`);
  }
  if (!isSizes(shape)) throw wrong('has no list of sizes as its shape');
  if (!isSizes(offsets) || offsets.length !== 2) throw wrong('has no two offsets');
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, length) => product * length, BYTES[dtype as DType]);
  if (!Number.isSafeInteger(bytes) || end - begin !== bytes) {
    throw wrong(`of ${dtype} and shape [${shape.join(', ')}] has ${end - begin} bytes, expected ${bytes}`);
  }
  return { dtype: dtype as DType, shape, begin: dataBegin + begin, end: dataBegin + end };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/**
 * The tensors follow one another without gap or overlap, to the end of the file. So it is not longer than it says, and a
 * name that occurs twice, of which JSON keeps one, leaves a gap.
 */
function expectTiling(
  places: ReadonlyMap<string, Place>,
  begin: number,
  size: number,
  corrupt: Corrupt,
): void {
  let end = begin;
  for (const [name, place] of [...places].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (place.begin !== end) {
      throw corrupt(
        `tensor '${name}' begins at byte ${place.begin}, expected ${end}: tensors overlap, or leave a gap`,
      );
    }
    end = place.end;
  }
  if (end !== size)
    throw corrupt(`it has ${size} bytes, expected ${end}: it is truncated, or something follows`);
}
