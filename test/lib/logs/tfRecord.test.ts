import { crc32c } from '../../../lib/logs/crc32c.js';
import { maskedCrc32c, tfRecord } from '../../../lib/logs/tfRecord.js';
import { recordsOf } from './readRecords.js';

const bytes = (of: (index: number) => number) => Uint8Array.from({ length: 32 }, (_, index) => of(index));

/** RFC 3720, B.4; the last is the check value of the catalogue of CRCs. */
test.each<[string, Uint8Array, number]>([
  ['32 zeros', bytes(() => 0), 0x8a9136aa],
  ['32 ones', bytes(() => 255), 0x62a8ab43],
  ['32 incrementing', bytes((index) => index), 0x46dd794e],
  ['32 decrementing', bytes((index) => 31 - index), 0x113fdb5c],
  ['digits', Buffer.from('123456789'), 0xe3069283],
])('CRC-32C of %s', (_, data, expected) => {
  expect(crc32c(data)).toBe(expected);
});

test('a checksum is rotated right by 15 bits, and has the constant added', () => {
  const rotated = ((0xe3069283n >> 15n) | (0xe3069283n << 17n)) & 0xffffffffn;
  expect(BigInt(maskedCrc32c(Buffer.from('123456789')))).toBe((rotated + 0xa282ead8n) & 0xffffffffn);
});

test.each([0, 1, 300])('a record of %d bytes comes back, and one that was changed does not', (length) => {
  const data = Buffer.from(Array.from({ length }, (_, index) => (37 * index) % 256));
  const record = tfRecord(data);
  expect(recordsOf(Buffer.concat([record, record]))).toEqual([data, data]);
  for (const place of [0, 8, record.length - 1]) {
    const changed = Buffer.from(record);
    changed[place]! ^= 1;
    expect(() => recordsOf(changed)).toThrow();
  }
});
