/** Event files for tests, record by record. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { encodeEvent, scalar } from '../../../lib/logs/summaries.js';
import { tfRecord } from '../../../lib/logs/tfRecord.js';

/** As TensorBoard names them. @param begun Seconds since 1970 */
export const eventFile = (begun = 1_800_000_000) => `events.out.tfevents.${begun}.host.1`;

/** Adds an event, with values by tag. @param wallTime Seconds since 1970, of now by default */
export function addEvent(
  path: string,
  step: number,
  values: Readonly<Record<string, number>>,
  wallTime = Date.now() / 1000,
): void {
  const value = Object.entries(values).map(([tag, each]) => scalar(tag, each));
  append(path, encodeEvent(wallTime, step, { summary: { value } }));
}

/** What comes behind it is done anew from this step on. */
export const addStart = (path: string, step: number) =>
  append(path, encodeEvent(Date.now() / 1000, step, { sessionLog: { status: 'START' } }));

function append(path: string, event: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(path, tfRecord(event));
}
