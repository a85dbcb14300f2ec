/** A file's bytes as memory: read from the disk as they are looked at, and dropped where memory runs short. */
import { constants } from 'node:buffer';
import type { NativeMappedFile } from '../native/contract.js';
import { callNative, native } from '../native/load.js';

/** An array of so many bytes is the longest that this version of Node has. */
export const LONGEST_ARRAY = constants.MAX_LENGTH;

export class MappedFile {
  readonly native: NativeMappedFile;

  /** Throws INVALID_DATA where it cannot be mapped. */
  constructor(readonly path: string) {
    this.native = callNative(() => new (native().MappedFile)(path));
  }

  /** The memory itself. Throws INVALID_DATA for bytes that the file has not. */
  bytes(begin: number, length: number): Uint8Array {
    return callNative(() => this.native.bytes(begin, length));
  }

  /** Before the memory is read: throws INVALID_DATA where the file was written to, or cut short, since it was mapped. */
  expectUnchanged(): void {
    callNative(() => this.native.expectUnchanged());
  }
}
