/**
 * Typed arrays as users hand them over: of the right kind, and over memory that can be read safely.
 *
 * Kinds are told by tag, never by `instanceof`: under some test runners a user's arrays come from another realm.
 */
import { invalidOption, MarginCoreError } from '../base/errors.js';
import type { LabelInput, PixelBytes } from './types.js';

const LABEL_KINDS = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
];

/** The same memory as a plain Uint8Array: a Buffer or a clamped array behaves differently in places. */
export function checkPixels(pixels: PixelBytes, where: string): Uint8Array {
  const kind = kindOf(pixels);
  if (kind !== 'Uint8Array' && kind !== 'Uint8ClampedArray') {
    const hint = kind.startsWith('Float')
      ? 'Pixels are bytes 0…255: multiply values of 0…1 by 255, and leave normalization to the `normalize` option'
      : 'Pixels are bytes 0…255: Uint8Array.from(values) makes them';
    throw invalidOption(where, 'a Uint8Array', pixels, hint);
  }
  checkMemory(pixels, where);
  return new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
}

export function checkLabelArray(labels: LabelInput, where: string): LabelInput {
  if (Array.isArray(labels)) return labels;
  if (!LABEL_KINDS.includes(kindOf(labels))) {
    throw invalidOption(where, 'an array of class numbers or an Int32Array', labels);
  }
  checkMemory(labels as PixelBytes, where);
  return labels;
}

/** E.g. 'Uint8Array', also for a Buffer; '' for what is no view of an ArrayBuffer. */
function kindOf(value: unknown): string {
  return ArrayBuffer.isView(value) ? Object.prototype.toString.call(value).slice('[object '.length, -1) : '';
}

/** Throws INVALID_DATA for memory that others can change, or have by now. */
export function checkMemory(view: ArrayBufferView, where: string): void {
  if (Object.prototype.toString.call(view.buffer) === '[object SharedArrayBuffer]') {
    throw new MarginCoreError(
      'INVALID_DATA',
      `${where}: expected memory of its own, found a SharedArrayBuffer, which another thread could change during ` +
        'training. A copy, such as new Uint8Array(array), has',
      { details: { option: where } },
    );
  }
  if (isDetached(view.buffer)) {
    throw new MarginCoreError(
      'INVALID_DATA',
      `${where}: expected an array with its memory, found one whose ArrayBuffer was transferred away ` +
        '(by postMessage, structuredClone or transfer). Transfer a copy, or load the data again',
      { details: { option: where } },
    );
  }
}

/** `ArrayBuffer.detached` is missing in Node 20, but no version makes a view of a detached buffer. */
function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}
