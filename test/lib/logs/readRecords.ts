/** Event files read in another way than they are written: checksums bit by bit, messages by protobufjs' own decoder. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { packageRoot } from '../../../lib/base/packageRoot.js';

/** Long division by the polynomial, as RFC 3720 defines it. */
function checksum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  const value = BigInt((crc ^ 0xffffffff) >>> 0);
  const rotated = ((value >> 15n) | (value << 17n)) & 0xffffffffn;
  return Number((rotated + 0xa282ead8n) & 0xffffffffn);
}

/** Throws where a checksum is wrong, or the file ends within a record. */
export function recordsOf(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    if (file.readUInt32LE(at + 8) !== checksum(file.subarray(at, at + 8))) throw new Error('length');
    const data = file.subarray(at + 12, at + 12 + length);
    if (file.readUInt32LE(at + 12 + length) !== checksum(data)) throw new Error('data');
    records.push(Buffer.from(data));
    at += length + 16;
  }
  return records;
}

export interface ReadValue {
  readonly tag: string;
  readonly simpleValue?: number;
  readonly histo?: { readonly min: number; readonly max: number; readonly bucket: number[] };
  readonly metadata?: { readonly pluginData: { readonly pluginName: string; readonly content: Uint8Array } };
}

export interface ReadEvent {
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion?: string;
  readonly summary?: { readonly value: ReadValue[] };
  readonly sessionLog?: { readonly status: string };
}

const decoder = (file: string, type: string) => {
  const found = protobuf
    .parse(readFileSync(join(packageRoot(), 'schemas', file), 'utf8'))
    .root.lookupType(type);
  return (bytes: Uint8Array) =>
    found.toObject(found.decode(bytes), { enums: String, longs: Number, oneofs: false });
};

const event = decoder('tensorboard.proto', 'tensorboard.Event');
export const decodeHparams = decoder('tensorboard-hparams.proto', 'tensorboard.hparams.HParamsPluginData');

export const eventsOf = (path: string): ReadEvent[] =>
  recordsOf(readFileSync(path)).map((record) => event(record) as ReadEvent);

/** [step, value] of a tag. */
export const scalarsOf = (events: readonly ReadEvent[], tag: string): [step: number, value: number][] =>
  events.flatMap(({ step = 0, summary }) =>
    (summary?.value ?? [])
      .filter((each) => each.tag === tag)
      .map(({ simpleValue }) => [step, simpleValue!] as [number, number]),
  );
