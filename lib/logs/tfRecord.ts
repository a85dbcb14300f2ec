/** TensorFlow's framing of records in a file (tensorflow/core/lib/io/record_writer.h). */
import { crc32c } from './crc32c.js';

const MASK_DELTA = 0xa282ead8;

/** So that the checksum of bytes that have checksums among them is none of these. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}

/** Length (8 bytes), its checksum (4), the data, its checksum (4); all little-endian. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(data.length + 16);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc32c(data), 12 + data.length);
  return record;
}
