/** Numbers as files have them, and as fp32. Files and machines are little-endian. */

/** Bytes of one number. */
export const BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

export type DType = keyof typeof BYTES;

/** Kinds whose values a network can take. */
export type FloatType = 'F64' | 'F32' | 'F16' | 'BF16';

export const isFloatType = (dtype: DType): dtype is FloatType =>
  dtype === 'F64' || dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';

/** Values of `bytes`, rounded to fp32. */
export function toFloat32(bytes: Uint8Array, dtype: Exclude<FloatType, 'F32'>): Float32Array {
  const count = bytes.byteLength / BYTES[dtype];
  if (dtype === 'F64') return Float32Array.from(new Float64Array(bytes.buffer, bytes.byteOffset, count));
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, count);
  if (dtype === 'F16') {
    const values = new Float32Array(count); // Float32Array.from would take fifty times as long
    for (let i = 0; i < count; i++) values[i] = fromHalf(halves[i]!);
    return values;
  }
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i++) words[i] = halves[i]! << 16;
  return new Float32Array(words.buffer);
}

/** Rounded to nearest, ties to even; what is finite stays so, and what is no number stays none. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const rounded = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const size = word & 0x7fffffff;
    const isNone = size > 0x7f800000;
    const isHuge = size < 0x7f800000 && size >= 0x7f7f8000; // would round to infinity
    if (isNone) rounded[i] = (word >>> 16) | 0x40;
    else if (isHuge) rounded[i] = ((word >>> 16) & 0x8000) | 0x7f7f;
    else rounded[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return rounded;
}

/** IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction. */
function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
