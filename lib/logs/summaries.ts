/** What an event may have for TensorBoard to show: `Summary.Value` of its schema. */
import { type Message, Schema } from '../files/protobuf.js';

export type Summary = Message;

export const scalar = (tag: string, value: number): Summary => ({ tag, simpleValue: value });

/** Markdown. */
export const text = (tag: string, content: string): Summary => ({
  tag,
  metadata: { pluginData: { pluginName: 'text' }, dataClass: 'DATA_CLASS_TENSOR' },
  tensor: {
    dtype: 'DT_STRING',
    tensorShape: { dim: [{ size: 1 }] },
    stringVal: [Buffer.from(content)],
  },
});

/** As many as TensorBoard's own, which are as wide as each other. */
const BUCKETS = 30;

/** Values that are not finite are left out; undefined where none is left. */
export function histogram(tag: string, values: Iterable<number>): Summary | undefined {
  const finite = Float64Array.from(values).filter(Number.isFinite);
  if (finite.length === 0) return undefined;
  const sum = (of: (value: number) => number) => finite.reduce((total, value) => total + of(value), 0);
  const min = finite.reduce((least, value) => Math.min(least, value));
  const max = finite.reduce((most, value) => Math.max(most, value));
  return {
    tag,
    histo: {
      ...{ min, max, num: finite.length, sum: sum((value) => value), sumSquares: sum((value) => value ** 2) },
      ...bucketsOf(finite, min, max),
    },
  };
}

/** Each reaches from the limit before it, the first from the least value, to its own. */
function bucketsOf(values: Float64Array, min: number, max: number) {
  const count = min === max ? 1 : BUCKETS;
  const width = (max - min) / count;
  const bucket = new Array<number>(count).fill(0);
  for (const value of values) bucket[Math.min(count - 1, Math.floor((value - min) / width) || 0)]! += 1;
  const bucketLimit = bucket.map((_, index) => (index === count - 1 ? max : min + (index + 1) * width));
  return { bucketLimit, bucket };
}

const schema = new Schema('tensorboard.proto', 'tensorboard');

export type Happening =
  | { readonly fileVersion: string }
  | { readonly summary: { readonly value: readonly Summary[] } }
  | { readonly sessionLog: { readonly status: 'START' } };

/** @param wallTime Seconds since 1970 */
export const encodeEvent = (wallTime: number, step: number, what: Happening): Uint8Array =>
  schema.encode('Event', { wallTime, step, ...what });

/** Integers and enums that are 0 and lists that are empty are not there. Throws an Error for bytes that are no event. */
export const decodeEvent = (bytes: Uint8Array): Message => schema.decode('Event', bytes);
