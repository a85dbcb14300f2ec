import { constants, gunzip, type ZlibOptions } from 'node:zlib';
import { MarginCoreError } from '../../base/errors.js';

/** Deflate's limit: no gzip file decompresses to more than this many times its own length. */
export const MAX_GZIP_RATIO = 1032;

/** The longest array of Node 20, the lowest supported version; zlib takes no higher limit there. */
const MAX_CONTENT_BYTES = 2 ** 32;

const CHUNK_BYTES = 1 << 20; // Node's default of 16 KiB costs a thread switch for each

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** The first bytes of the content, from the first 4 KiB of the file: enough for any header, however large the rest. */
export async function gunzipStart(path: string, file: Buffer): Promise<Buffer> {
  const { content } = await run(path, file.subarray(0, 4096), { finishFlush: constants.Z_SYNC_FLUSH });
  return content;
}

/** The whole content, refused where it is longer than `maxBytes`, damaged, cut short, or followed by other bytes. */
export async function gunzipAll(path: string, file: Buffer, maxBytes: number): Promise<Buffer> {
  if (maxBytes > MAX_CONTENT_BYTES) {
    throw new MarginCoreError(
      'INVALID_DATA',
      `${path}: expected at most ${MAX_CONTENT_BYTES} decompressed bytes, found a header for ${maxBytes}`,
      { details: { path } },
    );
  }
  const { content, consumed } = await run(path, file, { maxOutputLength: maxBytes, chunkSize: CHUNK_BYTES });
  if (consumed !== file.length) {
    throw corrupt(
      path,
      `expected the end of the gzip stream at byte ${consumed}, found ${file.length} bytes`,
    );
  }
  return content;
}

interface Decompressed {
  content: Buffer;
  /** Bytes of the file that belonged to the gzip stream. */
  consumed: number;
}

function run(path: string, bytes: Buffer, options: ZlibOptions): Promise<Decompressed> {
  return new Promise((resolve, reject) => {
    gunzip(bytes, { ...options, info: true }, (error, result) => {
      if (error) return reject(asMarginCoreError(path, error, options));
      // With `info` the result is this object, which @types/node does not know.
      const { buffer, engine } = result as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
      resolve({ content: buffer, consumed: engine.bytesWritten });
    });
  });
}

function asMarginCoreError(
  path: string,
  error: NodeJS.ErrnoException,
  options: ZlibOptions,
): MarginCoreError {
  switch (error.code) {
    case 'ERR_BUFFER_TOO_LARGE':
      return corrupt(path, `expected ${options.maxOutputLength} decompressed bytes, found more`, error);
    case 'Z_BUF_ERROR':
      return corrupt(path, 'expected a whole gzip stream, found one that is cut short', error);
    default:
      return corrupt(path, `expected a valid gzip stream, found damage: ${error.message}`, error);
  }
}

function corrupt(path: string, what: string, cause?: Error): MarginCoreError {
  return new MarginCoreError('FILE_CORRUPT', `${path}: ${what}`, { cause, details: { path } });
}
