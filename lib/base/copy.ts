/** Deeper than any description that is accepted: whatever lies below is refused, or endless. */
const DEEPEST = 256;

/**
 * A copy of plain data (objects, arrays, typed arrays, and what they hold) that shares no memory with it. Functions are
 * kept. What occurs several times, or in itself, does so in the copy.
 */
export function copyOf<T>(value: T): T {
  return copy(value, new Map(), 0) as T;
}

function copy(value: unknown, copies: Map<object, unknown>, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth > DEEPEST) return value;
  const known = copies.get(value);
  if (known !== undefined) return known;
  if (ArrayBuffer.isView(value)) return (value as Float32Array).slice();
  const result: unknown[] | Record<string, unknown> = Array.isArray(value) ? [] : {};
  copies.set(value, result);
  for (const [key, part] of Object.entries(value)) {
    (result as Record<string, unknown>)[key] = copy(part, copies, depth + 1);
  }
  return result;
}
