/** The cosines of given pairs of pictures: what verification is scored on. */
import type { PicturePair } from '../data/formats/lfwPairs.js';
import type { Embeddings } from '../metrics/embeddings.js';
import type { Model } from './model.js';

/** (pairs). A picture is embedded once, in however many pairs it is. Rejects as `model.embed` does. */
export async function cosinesOfPairs(
  model: Model,
  pairs: readonly Pick<PicturePair, 'a' | 'b'>[],
  signal?: AbortSignal,
): Promise<Float32Array> {
  const files = [...new Set(pairs.flatMap(({ a, b }) => [a, b]))];
  const numberOf = new Map(files.map((file, number) => [file, number]));
  const embeddings = await model.embed(files, { normalize: true, ...(signal && { signal }) });
  return Float32Array.from(pairs, ({ a, b }) => cosineOf(embeddings, numberOf.get(a)!, numberOf.get(b)!));
}

function cosineOf({ data, shape: [, size] }: Embeddings, a: number, b: number): number {
  let sum = 0;
  for (let axis = 0; axis < size; axis++) sum += data[a * size + axis]! * data[b * size + axis]!;
  return Math.min(1, Math.max(-1, sum));
}
