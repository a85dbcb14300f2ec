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

/** Numbers that are rearranged or written between two turns of the event loop: some 5 ms. */
const PIECE = 2 ** 20;

/**
 * A large parameter in pieces of whole rows, each as `change` makes it of them: whoever takes these lets the event loop turn
 * between two.
 * @param first The number of the piece's first row
 */
export function* rowsOf(
  values: Float32Array,
  rows: number,
  change: (values: Float32Array, count: number, first: number) => Float32Array,
): Generator<Float32Array> {
  const columns = values.length / rows;
  const most = Math.max(1, Math.floor(PIECE / columns));
  for (let first = 0; first < rows; first += most) {
    const count = Math.min(most, rows - first);
    yield change(values.subarray(first * columns, (first + count) * columns), count, first);
  }
}
