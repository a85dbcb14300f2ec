import { isRecord, isTypedArray } from './check.js';
import { invalidOption, MarginCoreError } from './errors.js';

/** Deeper than any description that is accepted: whatever lies below is refused, or endless. */
const DEEPEST = 256;

const { slice } = Object.getPrototypeOf(Uint8Array.prototype) as Float32Array;

/**
 * A copy of plain data (objects, arrays, typed arrays, and what they hold) that shares no memory with it. Functions are
 * kept. What occurs several times, or in itself, does so in the copy. Throws INVALID_OPTION for anything else.
 * @param option Whose value it is.
 */
export function copyOf<T>(value: T, option: string): T {
  const copies = new Map<object, unknown>();
  const copy = (part: unknown, depth: number): unknown => {
    if (typeof part !== 'object' || part === null || depth > DEEPEST) return part;
    const known = copies.get(part);
    if (known !== undefined) return known;
    if (isTypedArray(part)) return slice.call(part); // a Buffer's own shares its memory
    if (!Array.isArray(part) && !isRecord(part)) throw invalidOption(option, 'plain data', part);
    const result = (Array.isArray(part) ? [] : {}) as Record<string, unknown>;
    copies.set(part, result);
    for (const [key, inner] of Object.entries(part)) {
      // Would be the copy's prototype, whose fields nobody looks for.
      if (key === '__proto__') throw invalidOption(option, "plain data without a key '__proto__'", part);
      result[key] = copy(inner, depth + 1);
    }
    return result;
  };
  try {
    return copy(value, 0) as T;
  } catch (error) {
    if (error instanceof MarginCoreError) throw error;
    throw invalidOption(option, 'plain data', value); // a getter or a proxy threw
  }
}
