/**
 * IDX, the format of MNIST: two zero bytes, the type of an element, the number of dimensions, the size of each
 * dimension (32 bits, big-endian), the elements. Here elements are unsigned bytes; the file may be gzipped.
 */
import { MarginCoreError } from '../../base/errors.js';
import { readBytes } from '../../files/readBytes.js';
import type { Split } from '../types.js';
import { gunzipAll, gunzipStart, isGzip, MAX_GZIP_RATIO } from './gzip.js';
import { refused } from './refused.js';

const UNSIGNED_BYTE = 0x08;
const ELEMENT_TYPES: Record<number, string> = {
  [UNSIGNED_BYTE]: 'unsigned byte',
  9: 'signed byte',
  11: 'int16',
  12: 'int32',
  13: 'float32',
  14: 'float64',
};

interface IdxArray {
  sizes: number[];
  data: Uint8Array;
}

export interface SplitFiles {
  images: string;
  labels: string;
}

/** `verify` sees each file's bytes as they are on disk, before anything is read from them. */
export async function readIdxSplit(
  files: SplitFiles,
  verify: (path: string, file: Buffer) => void = () => {},
): Promise<Split> {
  const read = async (path: string, rank: number) => {
    const file = await readBytes(path);
    verify(path, file);
    return decodeIdx(path, file, rank);
  };
  const images = await read(files.images, 3);
  const labels = await read(files.labels, 1);
  const [N, H, W] = images.sizes as [number, number, number];
  if (labels.data.length !== N) {
    throw new MarginCoreError(
      'INVALID_DATA',
      `${files.labels}: expected ${N} labels, as ${files.images} has ${N} images, found ${labels.data.length}`,
      { details: { path: files.labels, expected: N, found: labels.data.length } },
    );
  }
  return { images: { data: images.data, shape: [N, H, W, 1] }, labels: Int32Array.from(labels.data) };
}

/** Checks the header against the length of the file before anything of the size it claims is allocated. */
async function decodeIdx(path: string, file: Buffer, rank: number): Promise<IdxArray> {
  const compressed = isGzip(file);
  const sizes = parseHeader(path, compressed ? await gunzipStart(path, file) : file, rank);
  const headerBytes = 4 + 4 * rank;
  const totalBytes = sizes.reduce((product, size) => product * size, 1) + headerBytes;
  const claim = `${totalBytes} bytes for sizes ${sizes.join('×')}`;

  if (compressed && totalBytes > file.length * MAX_GZIP_RATIO) {
    throw refused('FILE_CORRUPT', path, claim, `a gzip file of ${file.length} bytes, which cannot hold them`);
  }
  const content = compressed ? await gunzipAll(path, file, totalBytes) : file;
  if (content.length !== totalBytes) throw refused('FILE_CORRUPT', path, claim, `${content.length} bytes`);
  return {
    sizes,
    data: new Uint8Array(content.buffer, content.byteOffset + headerBytes, totalBytes - headerBytes),
  };
}

function parseHeader(path: string, start: Buffer, rank: number): number[] {
  const headerBytes = 4 + 4 * rank;
  if (start.length < 4 || start.readUInt16BE(0) !== 0 || !(start[2]! in ELEMENT_TYPES)) {
    const found = start.subarray(0, 4).toString('hex') || 'nothing';
    throw refused('FILE_CORRUPT', path, 'an IDX file, which starts with 0000', found);
  }
  if (start[2] !== UNSIGNED_BYTE) {
    throw refused('INVALID_DATA', path, 'elements of type unsigned byte', ELEMENT_TYPES[start[2]!]!);
  }
  if (start[3] !== rank) {
    const content = rank === 1 ? 'labels' : 'images';
    throw refused('INVALID_DATA', path, `${rank} dimensions, as ${content} have`, `${start[3]}`);
  }
  if (start.length < headerBytes) {
    throw refused('FILE_CORRUPT', path, `a header of ${headerBytes} bytes`, `${start.length} bytes`);
  }
  const sizes = Array.from({ length: rank }, (_, dimension) => start.readUInt32BE(4 + 4 * dimension));
  if (sizes.includes(0)) throw refused('INVALID_DATA', path, 'sizes above 0', sizes.join('×'));
  return sizes;
}
