/**
 * How well classes are separated by angle, over samples whose classes are known. A class's centre is the mean
 * direction of its own samples' embeddings, so the report says what the embeddings do, whatever the head's weights. Not the
 * centre that `Model.classCentres` and `Prediction.cosines` mean, which is the head's.
 */
import { turnEventLoop } from '../base/abort.js';

/** All angles in degrees. */
export interface AngleReport {
  /** Mean over the samples of the angle to their own class's centre: the mean direction of its samples, not the head's. */
  readonly ownCentreMean: number;
  /** Mean over the centres of the angle to the nearest other centre. */
  readonly nearestOtherCentreMean: number;
  /** (N): from each sample to its own class's centre */
  readonly own: Float32Array;
  /** (N): from each sample to the nearest centre of another class */
  readonly nearestOther: Float32Array;
}

/** Multiply-adds between two pauses: about 10 ms, so that the event loop goes on meanwhile. */
const SLICE = 1e7;

/**
 * @param embeddings (N, D), row-major; of any norm. A zero row has no direction and counts as 90° from everything.
 * @param labels (N)
 * @param signal Stops it with the signal's reason.
 * @returns undefined where fewer than two classes have samples.
 */
export async function angleReport(
  embeddings: Float32Array,
  labels: Int32Array,
  numClasses: number,
  signal?: AbortSignal,
): Promise<AngleReport | undefined> {
  const size = embeddings.length / labels.length;
  const samples = unitRows(embeddings, size);
  const centres = classCentres(samples, labels, numClasses, size);
  const present = [...new Set(labels)];
  if (present.length < 2) return undefined;

  const own = new Float32Array(labels.length);
  const nearestOther = new Float32Array(labels.length);
  const rowsPerSlice = Math.ceil(SLICE / (present.length * size));
  for (const [sample, label] of labels.entries()) {
    if (sample % rowsPerSlice === 0) await turnEventLoop(signal);
    own[sample] = degrees(dot(samples, sample, centres, label, size));
    nearestOther[sample] = nearestDegrees(samples, sample, centres, label, present, size);
  }
  let betweenCentres = 0;
  for (const [index, label] of present.entries()) {
    if (index % rowsPerSlice === 0) await turnEventLoop(signal);
    betweenCentres += nearestDegrees(centres, label, centres, label, present, size);
  }
  return {
    ownCentreMean: own.reduce((sum, angle) => sum + angle, 0) / own.length,
    nearestOtherCentreMean: betweenCentres / present.length,
    own,
    nearestOther,
  };
}

/** (C, D): unit mean directions; zero for a class without samples. */
function classCentres(
  samples: Float32Array,
  labels: Int32Array,
  numClasses: number,
  size: number,
): Float32Array {
  const sums = new Float64Array(numClasses * size);
  for (const [sample, label] of labels.entries()) {
    for (let axis = 0; axis < size; axis++) {
      sums[label * size + axis]! += samples[sample * size + axis]!;
    }
  }
  return unitRows(sums, size);
}

/** Each row divided by its norm; a row of zeros stays one. */
export function unitRows(rows: Float32Array | Float64Array, size: number): Float32Array {
  const unit = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += size) {
    let squares = 0;
    for (let axis = start; axis < start + size; axis++) squares += rows[axis]! ** 2;
    const norm = Math.sqrt(squares);
    if (norm === 0) continue;
    for (let axis = start; axis < start + size; axis++) unit[axis] = rows[axis]! / norm;
  }
  return unit;
}

/** From a row to the nearest of the centres of classes other than `label`. */
function nearestDegrees(
  rows: Float32Array,
  row: number,
  centres: Float32Array,
  label: number,
  present: readonly number[],
  size: number,
): number {
  let closest = -1;
  for (const other of present) {
    if (other !== label) closest = Math.max(closest, dot(rows, row, centres, other, size));
  }
  return degrees(closest);
}

function dot(a: Float32Array, rowA: number, b: Float32Array, rowB: number, size: number): number {
  const startA = rowA * size;
  const startB = rowB * size;
  let sum = 0;
  for (let axis = 0; axis < size; axis++) sum += a[startA + axis]! * b[startB + axis]!;
  return sum;
}

function degrees(cosine: number): number {
  return (Math.acos(Math.min(1, Math.max(-1, cosine))) * 180) / Math.PI;
}
