/** Messages that are read by reflection, beside protobufjs' own decoder, which makes code of texts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { Schema } from '../../../lib/files/protobuf.js';

const FILE = 'tensorboard.proto';
const schema = new Schema(FILE, 'tensorboard');
const reference = protobuf
  .parse(readFileSync(join(packageRoot(), 'schemas', FILE), 'utf8'))
  .root.lookupType('tensorboard.Event');

const EVENT = {
  wallTime: 1.5,
  step: 2 ** 40,
  summary: {
    value: [
      { tag: 'a', simpleValue: 0.25 },
      { tag: 'h', histo: { min: -1, max: 2, bucketLimit: [0, 2], bucket: [3, 4] } },
      { tag: 't', tensor: { dtype: 'DT_STRING', stringVal: [Buffer.from('x'), Buffer.from('y')] } },
    ],
  },
};

test('what was written comes back, as the other decoder has it', () => {
  const bytes = schema.encode('Event', EVENT);
  expect(schema.decode('Event', bytes)).toEqual(EVENT);
  const other = reference.toObject(reference.decode(bytes), { enums: String, longs: Number });
  expect(schema.decode('Event', bytes)).toEqual(other);
});

test('negative steps, unknown fields, unknown enums, numbers that are not packed', () => {
  // By hand: step -1; field 4, bytes; a session log of status 9.
  const bytes = Buffer.from([0x10, ...new Array(9).fill(0xff), 0x01, 0x22, 2, 7, 7, 0x3a, 2, 0x08, 9]);
  expect(schema.decode('Event', bytes)).toEqual({ step: -1, sessionLog: { status: 9 } });
  const one = [0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
  const unpacked = Buffer.from([0x31, ...one, 0x31, ...one, 0x32, 8, ...one]);
  expect(schema.decode('HistogramProto', unpacked)).toEqual({ bucketLimit: [1, 1, 1] });
});

test.each<[string, number[]]>([
  ['that ends within a number', [0x09, 1, 2]],
  ['with a field that is longer than all', [0x2a, 200, 1, 0]],
  ['with a message that is longer than its own', [0x2a, 4, 0x0a, 9, 0x0a, 1]],
  ['of another wire type', [0x08, 1]],
  ['with a field 0', [0x00, 1]],
])('bytes %s are refused', (_, bytes) => {
  expect(() => schema.decode('Event', Buffer.from(bytes))).toThrow();
});
