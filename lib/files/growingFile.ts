/** A file that grows while something goes on: what is added is kept until it is written, a good deal at a time. */
import { type FileHandle, open } from 'node:fs/promises';
import { notWritten, writeWhole } from './writeAside.js';

/** What is kept while it cannot be written; beyond it is lost. */
const MOST_KEPT = 2 ** 22;

export class GrowingFile {
  #added: Uint8Array[] = [];
  #waiting = 0;
  #written: Promise<void> = Promise.resolve();

  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    /** Bytes that are certain to be in it: a write that fails may leave a part of its own behind them. */
    private size: number,
  ) {}

  /** One that is not there yet. Rejects with FILE_NOT_WRITTEN. */
  static create(path: string): Promise<GrowingFile> {
    return GrowingFile.#open(path, 'wx', 0);
  }

  /** One that is there, after its first `size` bytes; what it has behind them is taken away. Rejects with FILE_NOT_WRITTEN. */
  static continue(path: string, size: number): Promise<GrowingFile> {
    return GrowingFile.#open(path, 'r+', size);
  }

  static async #open(path: string, flags: string, size: number): Promise<GrowingFile> {
    try {
      const handle = await open(path, flags);
      await handle.truncate(size);
      return new GrowingFile(path, handle, size);
    } catch (error) {
      throw notWritten(path, error);
    }
  }

  /** Bytes that are not written yet. */
  get waiting(): number {
    return this.#waiting;
  }

  add(bytes: Uint8Array): void {
    this.#added.push(bytes);
    this.#waiting += bytes.length;
  }

  /** Writes what was added. Rejects with FILE_NOT_WRITTEN, and then has it for the next time. */
  flush(): Promise<void> {
    this.#written = this.#written.catch(() => undefined).then(() => this.#write());
    return this.#written;
  }

  async #write(): Promise<void> {
    if (this.#added.length === 0) return;
    const bytes = Buffer.concat(this.#added);
    this.#keep([]);
    try {
      await writeWhole(this.handle, bytes, this.size);
      this.size += bytes.length;
    } catch (error) {
      this.#keep(bytes.length > MOST_KEPT ? this.#added : [bytes, ...this.#added]);
      throw notWritten(this.path, error);
    }
  }

  #keep(added: Uint8Array[]): void {
    this.#added = added;
    this.#waiting = added.reduce((sum, { length }) => sum + length, 0);
  }

  /** Writes what was added, and closes the file whether that can be done or not. Rejects as `flush` does. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      // Of a write that failed nothing is left; and where not even that can be done, the rest is as it was.
      await this.handle.truncate(this.size).catch(() => undefined);
      await this.handle.close();
    }
  }
}
