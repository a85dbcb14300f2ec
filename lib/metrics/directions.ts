/** Embeddings by direction alone: rows of length 1, the mean directions of classes, and angles between them. */
import { turnEventLoop } from '../base/abort.js';

/** What has no direction, being zero or not finite, is left out. */
export interface Directions {
  /** (M, D), row-major: of length 1 each */
  readonly units: Float32Array;
  readonly size: number;
  /** (M), ascending: the number that each row had */
  readonly numbers: Int32Array;
}

/** The mean directions of classes' samples. A class without samples has none, nor has one whose samples cancel. */
export interface Centres {
  /** Their numbers are the classes. */
  readonly directions: Directions;
  /** (numClasses): the row of each among the directions, −1 for none */
  readonly rowOf: Int32Array;
  /** (numClasses): 1 for a class that has samples */
  readonly isPresent: Uint8Array;
}

/** Numbers looked at between two turns of the event loop: some 5 ms. */
const SLICE = 2 ** 18;

/** @param rows (N, size), row-major */
export async function directionsOf(
  rows: Float32Array | Float64Array,
  size: number,
  signal?: AbortSignal,
): Promise<Directions> {
  const count = rows.length / size;
  const units = new Float32Array(rows.length);
  const numbers = new Int32Array(count);
  let found = 0;
  for (let row = 0; row < count; row++) {
    if (row % rowsPerTurn(size) === 0) await turnEventLoop(signal);
    if (!writeUnitRow(rows, row * size, units, found * size, size)) continue;
    numbers[found] = row;
    found += 1;
  }
  return { units: units.subarray(0, found * size), size, numbers: numbers.subarray(0, found) };
}

/** @param labels (N): of all rows that the directions were made of */
export async function classCentres(
  { units, size, numbers }: Directions,
  labels: Int32Array,
  numClasses: number,
  signal?: AbortSignal,
): Promise<Centres> {
  const sums = new Float64Array(numClasses * size);
  for (const [row, number] of numbers.entries()) {
    if (row % rowsPerTurn(size) === 0) await turnEventLoop(signal);
    const [from, to] = [row * size, labels[number]! * size];
    for (let axis = 0; axis < size; axis++) sums[to + axis]! += units[from + axis]!;
  }
  const directions = await directionsOf(sums, size, signal);
  const rowOf = new Int32Array(numClasses).fill(-1);
  for (const [row, label] of directions.numbers.entries()) rowOf[label] = row;
  const isPresent = new Uint8Array(numClasses);
  for (const label of labels) isPresent[label] = 1;
  return { directions, rowOf, isPresent };
}

/**
 * Degrees between two directions, by the lengths of their difference and their sum (Kahan 2006, "How Futile are Mindless
 * Assessments of Roundoff", section 12): near 0° and 180° the arccosine of a rounded cosine would be off by hundredths.
 */
export function degreesBetween(a: Directions, rowA: number, b: Directions, rowB: number): number {
  const { size } = a;
  const [startA, startB] = [rowA * size, rowB * size];
  let apart = 0;
  let along = 0;
  for (let axis = 0; axis < size; axis++) {
    const [valueA, valueB] = [a.units[startA + axis]!, b.units[startB + axis]!];
    apart += (valueA - valueB) ** 2;
    along += (valueA + valueB) ** 2;
  }
  return (Math.atan2(Math.sqrt(apart), Math.sqrt(along)) * 360) / Math.PI;
}

/** Each row divided by its norm; a row of zeros stays one. */
export function unitRows(rows: Float32Array, size: number): Float32Array {
  const unit = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += size) writeUnitRow(rows, start, unit, start, size);
  return unit;
}

/** Rows of so many numbers between two turns of the event loop. */
export const rowsPerTurn = (size: number) => Math.max(1, Math.floor(SLICE / size));

/** Whether the row has a direction; without one nothing is written. */
function writeUnitRow(
  rows: Float32Array | Float64Array,
  start: number,
  to: Float32Array,
  at: number,
  size: number,
): boolean {
  let squares = 0;
  for (let axis = start; axis < start + size; axis++) squares += rows[axis]! ** 2;
  const norm = Math.sqrt(squares);
  if (!(norm > 0 && norm < Number.POSITIVE_INFINITY)) return false;
  for (let axis = 0; axis < size; axis++) to[at + axis] = rows[start + axis]! / norm;
  return true;
}
