/** Embeddings in the memory of a device, and the exact search among them by cosine. */
import { untilAborted } from '../base/abort.js';
import { type Device, selectDevice } from './backends.js';
import type { NativeSearchIndex } from './contract.js';
import { awaitNative, callNative, native } from './load.js';

export interface SearchOptions {
  /** Default 'auto' */
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Nearest {
  /** (N, top), row-major: numbers of the nearest rows, the nearest first; of equals the lower number. */
  readonly rows: Int32Array;
  /** (N, top): their cosines */
  readonly cosines: Float32Array;
}

/** Numbers that are handed over at once: some 5 ms of the event loop. */
const PIECE = 2 ** 21;
/** Multiply-adds of one call: some 0.5 s on two cores, after which a signal is looked at. */
const MOST_WORK = 2 ** 36;
/** Rows found by one call: their numbers and cosines are 8 MiB. */
const MOST_FOUND = 2 ** 20;
/** The native side takes so many together. */
const BATCH = 128;

/** To be disposed. Calls are carried out in their order. */
export class SearchIndex {
  #count = 0;

  private constructor(
    readonly size: number,
    private readonly index: NativeSearchIndex,
  ) {}

  /** @param size Numbers of one embedding. Rejects with DEVICE_UNAVAILABLE. */
  static async open(size: number, { device = 'auto', threads }: SearchOptions = {}): Promise<SearchIndex> {
    const { backend, deviceIndex, threads: used } = await selectDevice(device, threads);
    const config = { backend: backend.name, deviceIndex, threads: used, size };
    return new SearchIndex(
      size,
      callNative(() => new (native().SearchIndex)(config)),
    );
  }

  get count(): number {
    return this.#count;
  }

  /** Appends (N, size), kept by direction; or nothing, where it rejects: INVALID_DATA for a row that has none. */
  async add(embeddings: Float32Array, signal?: AbortSignal): Promise<void> {
    const before = this.#count;
    const rows = Math.max(1, Math.floor(PIECE / this.size));
    try {
      for (let begin = 0; begin < embeddings.length; begin += rows * this.size) {
        signal?.throwIfAborted();
        const piece = embeddings.subarray(begin, begin + rows * this.size);
        await awaitNative(() => this.index.add(piece, begin / this.size));
        this.#count += piece.length / this.size;
      }
    } catch (error) {
      await this.remove(Int32Array.from({ length: this.#count - before }, (_, row) => before + row));
      throw error;
    }
  }

  /** The last row takes the place of each, the highest number first. */
  async remove(rows: Int32Array): Promise<void> {
    if (rows.length === 0) return;
    await awaitNative(() => this.index.remove(rows));
    this.#count -= rows.length;
  }

  /** (count, size), of length 1 each */
  read(): Promise<Float32Array> {
    return awaitNative(() => this.index.read(0, this.#count));
  }

  /** @param queries (N, size), of any length but 0 @param top From 1; there are at most `count`. */
  async search(queries: Float32Array, top: number, signal?: AbortSignal): Promise<Nearest> {
    const columns = Math.min(top, this.#count);
    const total = queries.length / this.size;
    const rows = new Int32Array(total * columns);
    const cosines = new Float32Array(total * columns);
    for await (const found of this.pieces(queries, top, signal)) {
      rows.set(found.rows, found.first * columns);
      cosines.set(found.cosines, found.first * columns);
    }
    return { rows, cosines };
  }

  /** The same in pieces that are small enough to be in memory. `first`: the number of a piece's first query. */
  async *pieces(
    queries: Float32Array,
    top: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Nearest & { readonly first: number }> {
    const columns = Math.min(top, this.#count);
    if (columns === 0) return;
    const total = queries.length / this.size;
    const batches = Math.max(1, Math.floor(MOST_WORK / (BATCH * this.size * this.#count)));
    const most = Math.max(
      1,
      Math.min(BATCH * batches, Math.floor(MOST_FOUND / columns), Math.floor(PIECE / this.size)),
    );
    for (let first = 0; first < total; first += most) {
      signal?.throwIfAborted();
      const some = queries.subarray(first * this.size, (first + most) * this.size);
      const found = await untilAborted(
        awaitNative(() => this.index.search(some, first, columns)),
        signal,
      );
      yield { ...found, first };
    }
  }

  dispose(): void {
    this.index.dispose();
  }
}

/** As `nearest`, in pieces that are small enough to be in memory. `first`: the number of a piece's first query. */
export async function* nearestInPieces(
  queries: Float32Array,
  rows: Float32Array,
  size: number,
  top: number,
  options: SearchOptions = {},
): AsyncGenerator<Nearest & { readonly first: number }> {
  const index = await SearchIndex.open(size, options);
  try {
    await index.add(rows, options.signal);
    yield* index.pieces(queries, top, options.signal);
  } finally {
    index.dispose();
  }
}

/**
 * Of each query the nearest rows by cosine.
 * @param queries (N, size) @param rows (M, size) @param top At most M.
 */
export async function nearest(
  queries: Float32Array,
  rows: Float32Array,
  size: number,
  top: number,
  options: SearchOptions = {},
): Promise<Nearest> {
  const index = await SearchIndex.open(size, options);
  try {
    await index.add(rows, options.signal);
    return await index.search(queries, top, options.signal);
  } finally {
    index.dispose();
  }
}
