/** The samples whose embeddings are nearest to those of mistakes. */
import { imagesOf, type Samples } from '../../data/samples.js';
import type { Model } from '../../model/model.js';
import { nearest, type SearchOptions } from '../../native/searchIndex.js';

/** A sample near to another, by the cosine of their embeddings. */
export interface Neighbour {
  /** Its number in the split that is searched */
  readonly sample: number;
  readonly label: number;
  /** Of the angle between the two embeddings */
  readonly cosine: number;
}

/**
 * For each of the mistakes the samples of `among` that are nearest to it, the nearest first. A sample is no neighbour of itself: where
 * `isSameSplit`, numbers of both are the same samples. An embedding of zeros has no direction, and so neither neighbours
 * nor a place among them.
 */
export async function neighboursOf(
  mistakes: Samples,
  among: Samples,
  {
    model,
    count,
    isSameSplit,
    ...options
  }: SearchOptions & { model: Model; count: number; isSameSplit: boolean },
): Promise<Neighbour[][]> {
  const queries = await directions(model, mistakes, options.signal);
  const rows = await directions(model, among, options.signal);
  const found: Neighbour[][] = Array.from(mistakes.numbers, () => []);
  // One more, since the sample itself is likely to be among them.
  const top = Math.min(count + (isSameSplit ? 1 : 0), rows.numbers.length);
  if (top === 0 || queries.numbers.length === 0) return found;
  const { rows: best, cosines } = await nearest(queries.embeddings, rows.embeddings, rows.size, top, options);
  for (const [query, place] of queries.places.entries()) {
    const itself = isSameSplit ? queries.numbers[query]! : -1;
    found[place] = Array.from(best.subarray(query * top, (query + 1) * top), (row, column): Neighbour => {
      const sample = rows.numbers[row]!;
      return { sample, label: among.labels[sample]!, cosine: cosines[query * top + column]! };
    })
      .filter(({ sample }) => sample !== itself)
      .slice(0, count);
  }
  return found;
}

interface Directions {
  /** (N, size) */
  readonly embeddings: Float32Array;
  readonly size: number;
  /** (N): the samples' numbers */
  readonly numbers: readonly number[];
  /** (N): which of those given they are */
  readonly places: readonly number[];
}

/** Embeddings of length 1, of the samples that have a direction. */
async function directions(
  model: Model,
  samples: Samples,
  signal: AbortSignal | undefined,
): Promise<Directions> {
  const options = { normalize: true, ...(signal && { signal }) };
  const { data, shape } = await model.embed(imagesOf(samples), options);
  const size = shape[1];
  const places: number[] = [];
  let end = 0;
  for (let place = 0; place < shape[0]; place++) {
    const row = data.subarray(place * size, (place + 1) * size);
    if (row.every((value) => value === 0)) continue;
    data.copyWithin(end, place * size, (place + 1) * size);
    end += size;
    places.push(place);
  }
  return {
    ...{ embeddings: data.subarray(0, end), size, places },
    numbers: places.map((place) => samples.numbers[place]!),
  };
}
