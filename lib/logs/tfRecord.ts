/** TensorFlow's framing of records in a file (tensorflow/core/lib/io/record_writer.h). */
import { crc32c } from './crc32c.js';

const MASK_DELTA = 0xa282ead8;

/** So that the checksum of bytes that have checksums among them is none of these. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}

const HEADER = 12;
/** Bytes of a record beside its data. */
export const FRAME = 16;

/** Length (8 bytes), its checksum (4), the data, its checksum (4); all little-endian. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(data.length + FRAME);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8);
  record.set(data, HEADER);
  record.writeUInt32LE(maskedCrc32c(data), HEADER + data.length);
  return record;
}

export interface Records {
  /** Views of the bytes, one behind the other with `FRAME` bytes around each. */
  readonly records: readonly Uint8Array[];
  /** Bytes that the record behind them takes, where its header is there and it is not. */
  readonly next?: number;
  /** Why nothing can be read behind them. */
  readonly fault?: string;
}

/** The records that are whole. */
export function recordsIn(bytes: Buffer): Records {
  const records: Uint8Array[] = [];
  let rest = bytes;
  while (rest.length >= HEADER) {
    if (rest.readUInt32LE(8) !== maskedCrc32c(rest.subarray(0, 8)))
      return { records, fault: 'the checksum of the length of a record differs' };
    const length = Number(rest.readBigUInt64LE(0));
    if (length > MOST_BYTES) return { records, fault: `a record of ${length} bytes` };
    const next = length + FRAME;
    if (rest.length < next) return { records, next };
    const data = rest.subarray(HEADER, HEADER + length);
    if (rest.readUInt32LE(HEADER + length) !== maskedCrc32c(data))
      return { records, fault: 'the checksum of a record differs' };
    records.push(data);
    rest = rest.subarray(next);
  }
  return { records };
}

/** Of a record: none that a log has is as long. */
const MOST_BYTES = 2 ** 30;
