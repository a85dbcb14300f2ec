/** Whether a library lacks its end, as a full disk or a broken download leaves it: to load it would end the process by a signal. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Of a 64-bit ELF file: where its header says that the table of sections is, which linkers write last. */
const HEADER = { bytes: 64, sections: 40, entrySize: 58, entries: 60 } as const;
const MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2]);

/** Its length, and that which its own header asks for; undefined where it is whole, or no library. */
export function cutOff(file: string): { readonly found: number; readonly expected: number } | undefined {
  const descriptor = openSync(file, 'r');
  try {
    const header = Buffer.alloc(HEADER.bytes);
    if (readSync(descriptor, header) < HEADER.bytes || !header.subarray(0, MAGIC.length).equals(MAGIC))
      return;
    const found = fstatSync(descriptor).size;
    const expected =
      Number(header.readBigUInt64LE(HEADER.sections)) +
      header.readUInt16LE(HEADER.entrySize) * header.readUInt16LE(HEADER.entries);
    return found < expected ? { found, expected } : undefined;
  } finally {
    closeSync(descriptor);
  }
}
