/** Where embeddings stand between the class weights, without margin. */
/** The values that 5 %, 50 % and 95 % of the samples lie below. */
export type Percentiles = readonly [p5: number, p50: number, p95: number];

/** How samples stand to the class weights at the end of an epoch. */
export interface HeadStatistics {
  /** From an embedding to its own class's weight, degrees */
  readonly targetAngle: Percentiles;
  /** To the nearest other class's weight, degrees */
  readonly nearestOtherAngle: Percentiles;
  /** Fraction of the samples that stand nearer to their own class's weight than to any other. */
  readonly nearestOwn: number;
  /** ‖x‖ of the embeddings */
  readonly featureNorm: Percentiles;
  /** ‖w_j‖ over the classes */
  readonly weightNorm: Percentiles;
  /** Largest angle of an embedding to the mean direction of all, degrees: near 0, the network answers the same to all. */
  readonly spread: number;
}

/** What is measured of N samples, embeddings of D numbers and C classes. */
export interface HeadMeasurement {
  /** (N, D) */
  readonly embeddings: Float32Array;
  /** (N, 2), radians: to the own class's weight, and to the nearest other class's */
  readonly angles: Float32Array;
  /** (C): norms of the class weights */
  readonly classNorms: Float32Array;
}

export function headStatistics(
  { embeddings, angles, classNorms }: HeadMeasurement,
  embeddingSize: number,
): HeadStatistics {
  const norms = rowNorms(embeddings, embeddingSize);
  return {
    targetAngle: percentiles(degreesOf(angles, 0)),
    nearestOtherAngle: percentiles(degreesOf(angles, 1)),
    nearestOwn: shareNearestOwn(angles),
    featureNorm: percentiles(norms),
    weightNorm: percentiles(classNorms),
    spread: spreadAroundMean(embeddings, norms, embeddingSize),
  };
}

function percentiles(values: Float64Array | Float32Array): Percentiles {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
  return [at(0.05), at(0.5), at(0.95)];
}

function shareNearestOwn(angles: Float32Array): number {
  let own = 0;
  for (let pair = 0; pair < angles.length; pair += 2) if (angles[pair]! < angles[pair + 1]!) own += 1;
  return (2 * own) / angles.length;
}

/** Radians in pairs to degrees: the first of each pair, or the second. */
export function degreesOf(pairs: Float32Array, offset: number): Float64Array {
  return Float64Array.from({ length: pairs.length / 2 }, (_, i) => (pairs[2 * i + offset]! * 180) / Math.PI);
}

/** L2 norms of the rows of (N, size). */
export function rowNorms(rows: Float32Array | Float64Array, size: number): Float64Array {
  return Float64Array.from({ length: rows.length / size }, (_, row) => {
    let squares = 0;
    for (let k = row * size; k < (row + 1) * size; k++) squares += rows[k]! ** 2;
    return Math.sqrt(squares);
  });
}

function spreadAroundMean(rows: Float32Array, norms: Float64Array, size: number): number {
  const mean = new Float64Array(size);
  norms.forEach((norm, row) => {
    if (norm > 0) for (let k = 0; k < size; k++) mean[k]! += rows[row * size + k]! / norm;
  });
  const length = rowNorms(mean, size)[0]!;
  let smallest = 1;
  norms.forEach((norm, row) => {
    let dot = 0;
    for (let k = 0; k < size; k++) dot += rows[row * size + k]! * mean[k]!;
    // A zero embedding, or directions that cancel, are no common direction.
    smallest = Math.min(smallest, norm > 0 && length > 0 ? dot / (norm * length) : 0);
  });
  return (Math.acos(Math.max(-1, smallest)) * 180) / Math.PI;
}
