/** Parameters on their way into a file: shapes are known before, values are read one parameter after another. */
import type { OnnxTensor } from './schema.js';

export interface Parameters {
  /** Ours, as the core has it. */
  shape(name: string): readonly number[];
  /** An array of its own each time, which may be changed. */
  read(name: string): Promise<Float32Array>;
}

export const asItIs =
  ({ read }: Parameters, name: string): OnnxTensor['values'] =>
  async () => [await read(name)];

/** Multiplies each row with its factor, in place. */
export function scaleRows(rows: Float32Array, factors: Float64Array): Float32Array {
  const columns = rows.length / factors.length;
  for (let row = 0, i = 0; row < factors.length; row++) {
    for (const end = i + columns; i < end; i++) rows[i] = rows[i]! * factors[row]!;
  }
  return rows;
}
