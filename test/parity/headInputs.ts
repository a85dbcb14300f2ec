/** The inputs of head_gradients.json, made as head_inputs.py makes them, bit for bit; the formulas are explained there. */
import { createHash } from 'node:crypto';

export interface HeadSize {
  classes: number;
  embedding: number;
  /** Degrees between each sample and its class */
  angles: number[];
  sha256: string;
}

export interface HeadInputs {
  features: Float32Array;
  weights: Float32Array;
  bias: Float32Array;
  centers: Float32Array;
  classWeights: Float32Array;
  labels: Int32Array;
}

function numbers(stream: number, count: number, scale: number): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => {
    let x = (stream << 16) + index;
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    x = (x ^ (x >>> 16)) >>> 8;
    return (x * 2 ** -23 - 1) * scale;
  });
}

const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

function atAngle(w: number[], v: number[], cosine: number, sine: number, length: number): number[] {
  const size = Math.sqrt(dot(w, w));
  const along = w.map((value) => value / size);
  const part = dot(along, v);
  const across = v.map((value, i) => value - part * along[i]!);
  const rest = Math.sqrt(dot(across, across));
  return along.map((value, i) => length * (cosine * value + sine * (across[i]! / rest)));
}

/**
 * @param angles Degrees to their cosine and sine.
 * @param lengths Of feature rows.
 */
export function makeHeadInputs(
  { classes, embedding, angles: degrees }: HeadSize,
  angles: Record<number, [number, number]>,
  lengths: number[],
): HeadInputs {
  const labels = Int32Array.from(degrees, (_, i) => ((3 * i * (i - 1)) / 2) % classes);
  const weights = numbers(1, classes * embedding, 0.5);
  const directions = numbers(2, degrees.length * embedding, 1);
  const row = (matrix: Float32Array, i: number) =>
    Array.from(matrix.subarray(i * embedding, (i + 1) * embedding));
  const features = degrees.flatMap((angle, i) =>
    atAngle(row(weights, labels[i]!), row(directions, i), ...angles[angle]!, lengths[i]!),
  );
  return {
    features: Float32Array.from(features),
    weights,
    bias: numbers(3, classes, 1),
    centers: numbers(4, classes * embedding, 0.5),
    classWeights: numbers(5, classes, 0.5).map((value) => value + 1),
    labels,
  };
}

export function checksum(inputs: HeadInputs): string {
  const hash = createHash('sha256');
  for (const array of Object.values(inputs)) hash.update(new Uint8Array(array.buffer));
  return hash.digest('hex');
}
