/**
 * How well classes are separated by angle, over samples whose classes are known. A class's centre is the mean
 * direction of its own samples' embeddings, so the report says what the embeddings do, whatever the head's weights. Not the
 * centre that `Model.classCentres` and `Prediction.cosines` mean, which is the head's.
 */
import { turnEventLoop } from '../base/abort.js';
import { nearestInPieces, type SearchOptions } from '../native/searchIndex.js';
import {
  type Centres,
  classCentres,
  type Directions,
  degreesBetween,
  directionsOf,
  rowsPerTurn,
} from './directions.js';

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

/** What has no direction counts as 90° from everything. */
const NO_DIRECTION = 90;

/** The search compares in fp32: so many of the nearest are compared anew. One of them may be the own class's. */
const CANDIDATES = 4;

/**
 * @param embeddings (N, D), row-major; of any norm. A row of zeros, or one that is not finite, counts as 90° from everything.
 * @param labels (N)
 * @param options.signal Stops it with the signal's reason.
 * @returns undefined where fewer than two classes have samples.
 */
export async function angleReport(
  embeddings: Float32Array,
  labels: Int32Array,
  numClasses: number,
  options: SearchOptions = {},
): Promise<AngleReport | undefined> {
  const size = embeddings.length / labels.length;
  const samples = await directionsOf(embeddings, size, options.signal);
  const centres = await classCentres(samples, labels, numClasses, options.signal);
  return reportOf(await anglesToCentres(samples, labels, centres, options), centres, options);
}

/** Of each of N samples, in degrees. */
export interface CentreAngles {
  /** (N): NaN where the own class has no samples to have a centre of */
  readonly own: Float64Array;
  /** (N): Infinity where no other class has samples */
  readonly nearestOther: Float64Array;
  /** (N): 1 where no other class's centre is nearer than the own; of equals the lower class counts as nearer. */
  readonly isNearestOwn: Uint8Array;
}

/** @param labels (N): of all rows that the samples' directions were made of, those without direction included */
export async function anglesToCentres(
  samples: Directions,
  labels: Int32Array,
  centres: Centres,
  options: SearchOptions,
): Promise<CentreAngles> {
  const own = Float64Array.from(labels, (label) => (centres.isPresent[label] ? NO_DIRECTION : Number.NaN));
  const { angles: nearestOther, classes } = await toNearestOther(samples, labels, centres, options);
  const isNearestOwn = new Uint8Array(labels.length);
  for (const [row, sample] of samples.numbers.entries()) {
    if (row % rowsPerTurn(samples.size) === 0) await turnEventLoop(options.signal);
    const label = labels[sample]!;
    const centre = centres.rowOf[label]!;
    if (centre < 0) continue;
    own[sample] = degreesBetween(samples, row, centres.directions, centre);
    const lead = nearestOther[sample]! - own[sample]!;
    if (lead > 0 || (lead === 0 && label < classes[sample]!)) isNearestOwn[sample] = 1;
  }
  return { own, nearestOther, isNearestOwn };
}

/**
 * Means over the samples whose class has a centre.
 * @returns undefined where fewer than two classes have samples.
 */
export async function reportOf(
  { own, nearestOther }: CentreAngles,
  centres: Centres,
  options: SearchOptions,
): Promise<AngleReport | undefined> {
  const classes = Int32Array.from(centres.isPresent.keys());
  const present = classes.filter((label) => centres.isPresent[label]);
  if (present.length < 2) return undefined;
  const { angles } = await toNearestOther(centres.directions, classes, centres, options);
  return {
    ownCentreMean: mean(own.filter((angle) => !Number.isNaN(angle))),
    nearestOtherCentreMean: mean(Float64Array.from(present, (label) => angles[label]!)),
    own: Float32Array.from(own),
    nearestOther: Float32Array.from(nearestOther),
  };
}

/** From each of N directions to the nearest centre of another class than its own, and that class. */
async function toNearestOther(
  from: Directions,
  labels: Int32Array,
  { directions, rowOf, isPresent }: Centres,
  options: SearchOptions,
): Promise<{ angles: Float64Array; classes: Int32Array }> {
  const withoutDirection = Array.from(rowOf.keys()).filter((label) => isPresent[label] && rowOf[label]! < 0);
  const present = withoutDirection.length + directions.numbers.length;
  const angles = new Float64Array(labels.length);
  const classes = new Int32Array(labels.length);
  for (let sample = 0; sample < labels.length; sample++) {
    const label = labels[sample]!;
    const others = present - isPresent[label]!;
    angles[sample] = others === 0 ? Number.POSITIVE_INFINITY : NO_DIRECTION;
    classes[sample] = withoutDirection.find((other) => other !== label) ?? -1;
  }
  const columns = Math.min(CANDIDATES, directions.numbers.length);
  for await (const { first, rows } of nearestInPieces(
    from.units,
    directions.units,
    from.size,
    columns,
    options,
  )) {
    for (let at = 0; at < rows.length; at += columns) {
      if ((at / columns) % rowsPerTurn(from.size * columns) === 0) await turnEventLoop(options.signal);
      const row = first + at / columns;
      const sample = from.numbers[row]!;
      let best = classes[sample]! < 0 ? Number.POSITIVE_INFINITY : NO_DIRECTION;
      for (const centre of rows.subarray(at, at + columns)) {
        const other = directions.numbers[centre]!;
        if (other === labels[sample]) continue;
        const angle = degreesBetween(from, row, directions, centre);
        if (angle > best || (angle === best && other > classes[sample]!)) continue;
        best = angle;
        classes[sample] = other;
      }
      if (best < Number.POSITIVE_INFINITY) angles[sample] = best;
    }
  }
  return { angles, classes };
}

const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
