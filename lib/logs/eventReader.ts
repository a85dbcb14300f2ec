/** An event file that is read while it grows: each time what came since the last one, in whole records. */
import { type FileHandle, open } from 'node:fs/promises';
import { MarginCoreError } from '../base/errors.js';
import { unreadable } from '../files/readBytes.js';
import { type LoggedEvent, loggedEvent } from './loggedEvent.js';
import { FRAME, recordsIn } from './tfRecord.js';

/** Read at once */
const PIECE_BYTES = 2 ** 20;

/** What is told of a file. */
export interface EventListener {
  /** In the order of the file */
  add(event: LoggedEvent): void;
  /** The file was cut shorter, or is another one: what was told before is void. */
  clear(): void;
}

export class EventReader {
  #offset = 0;
  /** When it was looked at last */
  #size = 0;
  /** Tells it from one that has taken its place. */
  #identity: string | undefined;
  #fault: MarginCoreError | undefined;

  constructor(
    readonly path: string,
    private readonly listener: EventListener,
  ) {}

  /** Why there may be more in the file than was read: FILE_CORRUPT for as long as the file is this one, FILE_NOT_FOUND until it can be read again. */
  get fault(): MarginCoreError | undefined {
    return this.#fault;
  }

  /** Reads what is new; an incomplete last record is left for the next time. @returns Whether anything is other than before */
  async read(): Promise<boolean> {
    const before = { offset: this.#offset, fault: this.#fault?.message };
    let isAnew = false;
    try {
      const file = await open(this.path);
      try {
        const { size, ino, birthtimeNs } = await file.stat({ bigint: true });
        isAnew = this.#begin(`${ino} ${birthtimeNs}`, Number(size));
        await this.#readOn(file, Number(size));
      } finally {
        await file.close();
      }
    } catch (error) {
      this.#fault = unreadable(this.path, error);
    }
    return isAnew || this.#offset !== before.offset || this.#fault?.message !== before.fault;
  }

  /** @returns Whether what was told is void */
  #begin(identity: string, size: number): boolean {
    const isAnew = this.#identity !== undefined && (identity !== this.#identity || size < this.#size);
    this.#identity = identity;
    this.#size = size;
    if (isAnew) {
      this.#offset = 0;
      this.listener.clear();
    }
    if (isAnew || this.#fault?.code === 'FILE_NOT_FOUND') this.#fault = undefined;
    return isAnew;
  }

  async #readOn(file: FileHandle, size: number): Promise<void> {
    let piece = PIECE_BYTES;
    while (this.#fault === undefined) {
      const left = size - this.#offset;
      const buffer = Buffer.allocUnsafe(Math.min(left, piece));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, this.#offset);
      const { records, next = 0, fault } = recordsIn(buffer.subarray(0, bytesRead));
      for (const record of records) this.#take(record);
      if (fault !== undefined) this.#fault ??= this.#corrupt(fault);
      const isAll = bytesRead === left || next > left || bytesRead < buffer.length;
      if (isAll) return;
      piece = Math.max(PIECE_BYTES, next);
    }
  }

  #take(record: Uint8Array): void {
    if (this.#fault !== undefined) return;
    try {
      this.listener.add(loggedEvent(record));
      this.#offset += FRAME + record.length;
    } catch (error) {
      this.#fault = this.#corrupt((error as Error).message);
    }
  }

  #corrupt(what: string): MarginCoreError {
    return new MarginCoreError(
      'FILE_CORRUPT',
      `${this.path} is corrupt at byte ${this.#offset}: ${what}. Nothing behind it is read`,
      { details: { path: this.path } },
    );
  }
}
