/**
 * From our layouts to those of ONNX and PyTorch: images channel first, convolutions OIHW, and what flattens an image takes its
 * numbers channel by channel.
 */

/** A convolution's weights: (O, H, W, I) → (O, I, H, W). */
export function toOihw(values: Float32Array, [O, H, W, I]: readonly number[]): Float32Array {
  return permuted(values, O!, H! * W!, I!);
}

/** And back. */
export function fromOihw(values: Float32Array, [O, H, W, I]: readonly number[]): Float32Array {
  return permuted(values, O!, I!, H! * W!);
}

/** Weights of a linear layer that reads an image [H, W, C], flattened: columns in the order (H, W, C) → (C, H, W). */
export function toChannelFirst(
  values: Float32Array,
  rows: number,
  [H, W, C]: readonly number[],
): Float32Array {
  return permuted(values, rows, H! * W!, C!);
}

/** And back. */
export function fromChannelFirst(
  values: Float32Array,
  rows: number,
  [H, W, C]: readonly number[],
): Float32Array {
  return permuted(values, rows, C!, H! * W!);
}

/** (N, A, B) → (N, B, A) */
function permuted(values: Float32Array, N: number, A: number, B: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let n = 0; n < N; n++) {
    const from = n * A * B;
    for (let a = 0; a < A; a++) {
      for (let b = 0; b < B; b++) result[from + b * A + a] = values[from + a * B + b]!;
    }
  }
  return result;
}
