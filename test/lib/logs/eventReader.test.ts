/** Event files as others have written them, and as they are while they grow. */
import { appendFileSync, copyFileSync, readFileSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { EventReader } from '../../../lib/logs/eventReader.js';
import type { LoggedEvent } from '../../../lib/logs/loggedEvent.js';
import { encodeEvent, scalar } from '../../../lib/logs/summaries.js';
import { recordsIn, tfRecord } from '../../../lib/logs/tfRecord.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { recordsOf } from './readRecords.js';

const inFolder = temporaryFolder();

const committed = (name: string) => join(packageRoot(), 'test/lib/logs', name);

/** A reader, and what it has told. */
function watched(path: string) {
  const events: LoggedEvent[] = [];
  const reader = new EventReader(path, {
    add: (event) => events.push(event),
    clear: () => events.splice(0),
  });
  return { events, reader };
}

const scalars = (events: readonly LoggedEvent[], tag: string) =>
  events.flatMap(({ step, scalars }) =>
    scalars.filter(([each]) => each === tag).map(([, value]) => [step, value]),
  );

const record = (step: number) =>
  tfRecord(encodeEvent(step, step, { summary: { value: [scalar('a', step)] } }));

const steps = (events: readonly LoggedEvent[]) => events.map(({ step }) => step);

test("of the sample the values that TensorBoard's reader found", async () => {
  const golden = JSON.parse(readFileSync(committed('sample.json'), 'utf8'));
  const { events, reader } = watched(committed('sample.tfevents'));
  expect(await reader.read()).toBe(true);
  const found = new Set(events.flatMap(({ scalars }) => scalars.map(([tag]) => tag)));
  expect([...found].sort()).toEqual(Object.keys(golden.scalars));
  for (const tag of found) {
    const expected = golden.scalars[tag].map(([wallTime, step, value]: [number, number, number | 'nan']) => [
      wallTime,
      step,
      value === 'nan' ? Number.NaN : value,
    ]);
    const told = events.flatMap(({ wallTime, step, scalars }) =>
      scalars.filter(([each]) => each === tag).map(([, value]) => [wallTime, step, value]),
    );
    expect(told).toEqual(expected);
  }
  const histograms = events.flatMap(({ step, histograms }) => histograms.map((each) => [step, ...each]));
  for (const [step, tag, histogram] of histograms as [number, string, object][]) {
    const [, , expected] = golden.histograms[tag].find(([, each]: [number, number]) => each === step);
    const { min, max, bucket, bucket_limit: limits } = expected;
    // TensorBoard's reader closes up buckets that are empty.
    expect(histogram).toMatchObject({ min, max });
    expect((histogram as { limits: number[] }).limits).toEqual(expect.arrayContaining(limits.slice(-1)));
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    expect(sum((histogram as { counts: number[] }).counts)).toBe(sum(bucket));
  }
  expect(events.at(-1)).toMatchObject({ step: 4, outcome: 'ended' });
  expect(await reader.read()).toBe(false);
});

test("PyTorch's SummaryWriter: values as they are, as tensors, in double precision; texts are none", async () => {
  const { events, reader } = watched(committed('pytorch.tfevents'));
  await reader.read();
  expect(reader.fault).toBeUndefined();
  expect(scalars(events, 'plain')).toEqual([
    [0, 1],
    [1, 0.5],
    [2, 0.25],
  ]);
  expect(scalars(events, 'tensor')).toEqual([
    [0, 3],
    [10, 4],
    [20, 5],
  ]);
  expect(scalars(events, 'double')).toEqual([
    [0, 0],
    [1, 0.1],
    [2, 0.2],
  ]);
  expect(scalars(events, 'large')).toEqual([[2 ** 40, 7]]);
  expect(events.flatMap((each) => each.scalars.map(([tag]) => tag))).not.toContain('words/text_summary');
  const resumed = watched(committed('pytorch-resumed.tfevents'));
  await resumed.reader.read();
  expect(resumed.events.filter(({ isStart }) => isStart)).toEqual([expect.objectContaining({ step: 2 })]);
});

test("TensorBoard's own scalars, in fields of a tensor and in its bytes", async () => {
  const { events, reader } = watched(committed('tensorboard.tfevents'));
  await reader.read();
  expect(scalars(events, 'keras/loss')).toEqual([
    [0, 1],
    [1, 1.5],
    [2, 2.25],
    [3, -5],
  ]);
});

test('byte by byte: a record is told once it is whole, and once', async () => {
  const path = inFolder('log');
  writeFileSync(path, '');
  const { events, reader } = watched(path);
  const whole = Buffer.concat([record(1), record(2)]);
  for (const [index, byte] of whole.entries()) {
    appendFileSync(path, Buffer.of(byte));
    const isEnd = index + 1 === record(1).length || index + 1 === whole.length;
    expect(await reader.read()).toBe(isEnd);
  }
  expect(steps(events)).toEqual([1, 2]);
  expect(reader.fault).toBeUndefined();
});

test('records that are longer than what is read at once', async () => {
  const path = inFolder('log');
  const long = tfRecord(encodeEvent(1, 1, { summary: { value: [scalar('x'.repeat(3_000_000), 1)] } }));
  writeFileSync(path, Buffer.concat([record(0), long, record(2), long.subarray(0, 2_500_000)]));
  const { events, reader } = watched(path);
  await reader.read();
  expect(steps(events)).toEqual([0, 1, 2]);
  appendFileSync(path, Buffer.concat([long.subarray(2_500_000), record(4)]));
  await reader.read();
  expect(steps(events)).toEqual([0, 1, 2, 1, 4]);
});

test.each<[string, number, string]>([
  ['a length', 3, 'the checksum of the length of a record differs'],
  ['the checksum of a length', 9, 'the checksum of the length of a record differs'],
  ['data', 14, 'the checksum of a record differs'],
  ['the last byte', -1, 'the checksum of a record differs'],
])('%s that was changed ends the file, by name', async (_, place, message) => {
  const path = inFolder('log');
  const [good, bad] = [record(1), record(2)];
  bad[place < 0 ? bad.length + place : place]! ^= 4;
  writeFileSync(path, Buffer.concat([good, bad, record(3)]));
  const { events, reader } = watched(path);
  expect(await reader.read()).toBe(true);
  expect(steps(events)).toEqual([1]);
  expect(reader.fault).toMatchObject({
    code: 'FILE_CORRUPT',
    message: `${path} is corrupt at byte ${good.length}: ${message}. Nothing behind it is read`,
    details: { path },
  });
  appendFileSync(path, record(4));
  expect(await reader.read()).toBe(false);
  expect(steps(events)).toEqual([1]);
});

test('a record with a right checksum that is no event', async () => {
  const path = inFolder('log');
  writeFileSync(path, Buffer.concat([record(1), tfRecord(Buffer.from([0x2a, 200, 1])), record(3)]));
  const { events, reader } = watched(path);
  await reader.read();
  expect(steps(events)).toEqual([1]);
  expect(reader.fault).toMatchObject({ code: 'FILE_CORRUPT' });
});

test('a file that was cut shorter, or is another one, is read anew', async () => {
  const path = inFolder('log');
  const bad = record(2);
  bad[14]! ^= 1;
  writeFileSync(path, Buffer.concat([record(1), record(5), bad]));
  const { events, reader } = watched(path);
  await reader.read();
  expect(steps(events)).toEqual([1, 5]);
  truncateSync(path, record(1).length);
  expect(await reader.read()).toBe(true);
  expect([steps(events), reader.fault]).toEqual([[1], undefined]);
  writeFileSync(inFolder('other'), Buffer.concat([record(7), record(8), record(9)]));
  unlinkSync(path);
  copyFileSync(inFolder('other'), path);
  await reader.read();
  expect(steps(events)).toEqual([7, 8, 9]);
});

test('a file that is gone is said, and read on when it is there again', async () => {
  const path = inFolder('log');
  const { events, reader } = watched(path);
  expect(await reader.read()).toBe(true);
  expect(reader.fault).toMatchObject({ code: 'FILE_NOT_FOUND' });
  writeFileSync(path, record(1));
  await reader.read();
  expect([steps(events), reader.fault]).toEqual([[1], undefined]);
});

test('records are those that another way of reading finds', () => {
  const bytes = readFileSync(committed('sample.tfevents'));
  expect(recordsIn(bytes).records.map((each) => Buffer.from(each))).toEqual(recordsOf(bytes));
  expect(recordsIn(bytes.subarray(0, -1))).toMatchObject({ next: expect.any(Number) });
});
