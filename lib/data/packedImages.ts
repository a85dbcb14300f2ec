/** Images that stay in a file: they look like an array, but only what is looked at is in memory. */
import { MarginCoreError } from '../base/errors.js';
import { LONGEST_ARRAY, type MappedFile } from '../files/mappedFile.js';
import type { ImageArray, ImageShape } from './types.js';

/** Of a file of any size there are few views. */
const BLOCK_BYTES = 2 ** 30;

export class PackedImages implements ImageArray {
  readonly #size: number;
  readonly #perBlock: number;
  readonly #blocks: (Uint8Array | undefined)[] = [];
  #data: Uint8Array | undefined;

  /**
   * @param begin Of the first image, in bytes from the beginning of the file
   * @param blockBytes Of one view, at most
   */
  constructor(
    readonly file: MappedFile,
    readonly begin: number,
    readonly shape: ImageShape,
    blockBytes = BLOCK_BYTES,
  ) {
    const [, H, W, C] = shape;
    this.#size = H * W * C;
    this.#perBlock = Math.max(1, Math.floor(blockBytes / this.#size));
  }

  /** All of it, where an array can be so long. Throws UNSUPPORTED. */
  get data(): Uint8Array {
    const bytes = this.shape[0] * this.#size;
    if (bytes > LONGEST_ARRAY) {
      throw new MarginCoreError(
        'UNSUPPORTED',
        `${this.file.path}: ${bytes} bytes of images are no one array in Node ${process.versions.node}, which has at most ` +
          `${LONGEST_ARRAY} bytes. Training and evaluation take them as they are; an array of all takes Node 22`,
        { details: { bytes } },
      );
    }
    this.file.expectUnchanged();
    this.#data ??= this.file.bytes(this.begin, bytes);
    return this.#data;
  }

  /** Bytes of images `first` to before `first + count`; a copy only where they lie in two views. Throws INVALID_DATA where the file was changed. */
  pixels(first: number, count: number): Uint8Array {
    this.file.expectUnchanged();
    const begin = first % this.#perBlock;
    const block = this.#block((first - begin) / this.#perBlock);
    if (begin + count <= this.#perBlock) {
      return block.subarray(begin * this.#size, (begin + count) * this.#size);
    }
    const head = this.#perBlock - begin;
    const bytes = new Uint8Array(count * this.#size);
    bytes.set(this.pixels(first, head));
    bytes.set(this.pixels(first + head, count - head), head * this.#size);
    return bytes;
  }

  #block(number: number): Uint8Array {
    const first = number * this.#perBlock;
    const count = Math.min(this.#perBlock, this.shape[0] - first);
    this.#blocks[number] ??= this.file.bytes(this.begin + first * this.#size, count * this.#size);
    return this.#blocks[number];
  }
}
