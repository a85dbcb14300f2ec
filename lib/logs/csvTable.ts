/** A table as comma-separated values (RFC 4180), a row after the other while a run goes on. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { csvRow } from '../files/csv.js';
import { GrowingFile } from '../files/growingFile.js';
import { corruptFile } from '../files/tensorFile.js';
import { notWritten } from '../files/writeAside.js';

export type Cell = number | string | undefined;

/** Of a row. */
const END = '\r\n';

export class CsvTable {
  private constructor(private readonly file: GrowingFile) {}

  /**
   * A new one, or one that is there: it goes on behind its rows whose first number is at most `last`, and others are taken away.
   * Rejects with FILE_CORRUPT where that has other columns; FILE_NOT_WRITTEN.
   */
  static async open(path: string, columns: readonly string[], last: number): Promise<CsvTable> {
    const header = csvRow(columns);
    const size = await sizeOf(path);
    if (size > 0)
      return new CsvTable(await GrowingFile.continue(path, await endOf(path, header, last, size)));
    const file = await (size === 0 ? GrowingFile.continue(path, 0) : GrowingFile.create(path));
    file.add(Buffer.from(header));
    return new CsvTable(file);
  }

  add(cells: readonly Cell[]): void {
    this.file.add(Buffer.from(csvRow(cells)));
  }

  get waiting(): number {
    return this.file.waiting;
  }

  flush(): Promise<void> {
    return this.file.flush();
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

/** Below 0 of no file. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return -1;
    throw notWritten(path, error);
  }
}

/** How many bytes the header and the rows take that stay. No field of theirs has a line end in it. */
async function endOf(path: string, header: string, last: number, size: number): Promise<number> {
  const input = createReadStream(path);
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  let end = 0;
  try {
    for await (const line of lines) {
      const next = end + Buffer.byteLength(line) + END.length;
      if (end === 0 && line + END !== header) {
        throw corruptFile(path, `it has other columns than ${header.trimEnd()}, and cannot be continued`);
      }
      const isKept = end === 0 || Number.parseInt(line, 10) <= last;
      if (!isKept || next > size) break;
      end = next;
    }
  } finally {
    lines.close();
    input.destroy();
  }
  return end;
}
