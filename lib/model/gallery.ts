/** People, products, places by name: embeddings of known ones, among which a new picture's is sought. */
import { access } from 'node:fs/promises';
import { turnEventLoop, untilAborted } from '../base/abort.js';
import { checkInteger, checkNumber, checkPath, checkSignal, checkText } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';
import { checkOptions, integer, option } from '../base/optionTable.js';
import { type Lock, lockFile } from '../files/lock.js';
import { unreadable } from '../files/readBytes.js';
import { checkEmbeddings, type Embeddings, isEmbeddings } from '../metrics/embeddings.js';
import { type Device, PLACEMENT_OPTIONS } from '../native/backends.js';
import { SearchIndex } from '../native/searchIndex.js';
import { readGallery, writeGallery } from './galleryFile.js';
import { Model } from './model.js';
import type { ImagesInput } from './pictures.js';
import { expectSameSpace, type Probe, probeOf } from './probe.js';

/** A name that was enrolled, and how near it is. */
export interface Match {
  readonly name: string;
  /** Of the nearest embedding of that name, −1…1 */
  readonly cosine: number;
}

/** Who may be on an image. */
export interface Identification {
  /** The nearest names, each once, the nearest first; empty where none comes up to the threshold: somebody unknown. */
  readonly matches: readonly Match[];
  /** Of the image, where it came from a file. */
  readonly file?: string;
}

/** What a gallery is of, and where it is searched. */
export interface GalleryOptions {
  /** Makes embeddings of images; without it the gallery takes embeddings alone. It stays the caller's. */
  model?: Model;
  /** Numbers of one embedding. Default: the model's. */
  embeddingSize?: number;
  /** The cosine that a match has at least, unless a call says another. Default −1: any. */
  threshold?: number;
  /** Where to search. Default 'auto'. */
  device?: Device;
  threads?: number;
}

const checkModelObject = (value: unknown, name: string): Model => {
  if (value instanceof Model) return value;
  throw invalidOption(name, 'a Model', value);
};

const THRESHOLD = { min: -1, max: 1 };
const checkThreshold = (value: unknown, name: string) => checkNumber(value, name, THRESHOLD);

const SIGNAL = { signal: option('', checkSignal) };
export const PLACE = { model: option('', checkModelObject), ...PLACEMENT_OPTIONS };
const GALLERY = {
  ...PLACE,
  embeddingSize: option('', (value, name) => checkInteger(value, name, { min: 1 })),
  threshold: option('', checkThreshold, { default: -1 }),
} as const;

/** How many names `identify` returns, and how near they have to be. */
export interface IdentifyOptions {
  /** How many names at most. Default 1. */
  top?: number;
  /** The cosine that a match has at least. Default: the gallery's. */
  threshold?: number;
  signal?: AbortSignal;
}

const IDENTIFY = {
  ...SIGNAL,
  top: integer('', { default: 1, min: 1 }),
  threshold: option('', checkThreshold),
} as const;

export const checkIdentify = (options: IdentifyOptions) => checkOptions(options, undefined, IDENTIFY);

/** Of the rows that are sought at first for each name that is wanted: a name may have several. */
const ROWS_PER_NAME = 4;

/** Rows between two turns of the event loop: some 5 ms. */
const LOOKED_THROUGH = 2 ** 14;

/**
 * Embeddings by name, and exact search among them by cosine. A name may have many embeddings: the nearest counts. Calls
 * take effect in their order. Native memory is held until `dispose()` (or `using`).
 */
export class Gallery {
  readonly #model: Model | undefined;
  readonly #size: number;
  readonly #place: { device: Device; threads?: number };
  #threshold: number;
  /** Of each row of the index */
  readonly #nameOfRow: string[] = [];
  readonly #rowsOf = new Map<string, number>();
  #probe: Probe | undefined;
  #index: SearchIndex | undefined;
  #lock: Lock | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #isDisposed = false;

  /**
   * An empty gallery.
   * @throws INVALID_OPTION without a model and a size, or where they differ.
   */
  constructor(options: GalleryOptions) {
    const { model, threshold, embeddingSize, ...place } = checkOptions(options, undefined, GALLERY);
    const size = embeddingSize ?? model?.embeddingSize;
    if (size === undefined) throw invalidOption('model', 'a Model, or embeddingSize', model);
    if (model !== undefined && size !== model.embeddingSize) throw otherSize(size, model.embeddingSize);
    this.#model = model;
    this.#size = size;
    this.#threshold = threshold;
    this.#place = place;
  }

  /** Each once, in the order of their first embeddings. */
  get names(): string[] {
    return [...this.#rowsOf.keys()];
  }

  /** Embeddings in all; or those of a name. */
  count(name?: string): number {
    return name === undefined ? this.#nameOfRow.length : (this.#rowsOf.get(name) ?? 0);
  }

  /** The cosine that a match has at least, unless a call says another. It is saved with the gallery. */
  get threshold(): number {
    return this.#threshold;
  }

  /** In [−1, 1]; otherwise throws INVALID_OPTION. */
  set threshold(value: number) {
    this.#threshold = checkThreshold(value, 'threshold');
  }

  /**
   * Adds embeddings, or the embeddings of images. Returns how many; where it rejects, none was added.
   * @param names One for all, or one for each.
   * @throws UNSUPPORTED for images without a model, SHAPE_MISMATCH for embeddings of another size, INVALID_DATA for one of zeros or
   *   that is not finite, and what `model.embed` throws.
   */
  async enrol(
    names: string | readonly string[],
    images: ImagesInput | Embeddings,
    options: { signal?: AbortSignal } = {},
  ): Promise<number> {
    const { signal } = checkOptions(options, undefined, SIGNAL);
    checkNames(names);
    const given = typeof names === 'string' ? names : [...names];
    return this.#withEmbeddings(images, signal, async (index, { data, shape: [count] }) => {
      if (typeof given !== 'string' && given.length !== count) {
        throw invalidOption('names', `one name, or ${count}, one for each embedding,`, given);
      }
      await index.add(data, signal);
      for (const name of typeof given === 'string' ? Array<string>(count).fill(given) : given) {
        this.#nameOfRow.push(name);
        this.#rowsOf.set(name, this.count(name) + 1);
      }
      return count;
    });
  }

  /** Forgets all embeddings of a name. Returns how many there were. */
  async remove(name: string): Promise<number> {
    checkText(name, 'name');
    return this.#inTurn(undefined, async (index) => {
      const rows = this.#nameOfRow.flatMap((each, row) => (each === name ? [row] : [])).reverse();
      await index.remove(Int32Array.from(rows));
      for (const row of rows) {
        const last = this.#nameOfRow.pop()!;
        if (row < this.#nameOfRow.length) this.#nameOfRow[row] = last;
      }
      this.#rowsOf.delete(name);
      return rows.length;
    });
  }

  /**
   * The nearest names of each image, or of each embedding.
   * @throws As `enrol` does.
   */
  async identify(images: ImagesInput | Embeddings, options: IdentifyOptions = {}): Promise<Identification[]> {
    const { top, threshold = this.#threshold, signal } = checkIdentify(options);
    return this.#withEmbeddings(images, signal, async (index, { data, files }) => {
      const wanted = Math.min(top, this.#rowsOf.size);
      const found = await this.#nearestNames(
        index,
        data,
        { wanted, threshold, signal },
        ROWS_PER_NAME * wanted,
      );
      return found.map((matches, image) => ({
        matches,
        ...(files?.[image] && { file: files[image] }),
      }));
    });
  }

  /** Writes names, embeddings and the threshold to a file that `Gallery.load` reads. @throws FILE_NOT_WRITTEN. */
  async save(path: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    const file = checkPath(path, 'path');
    const { signal } = checkOptions(options, undefined, SIGNAL);
    await this.#inTurn(signal, async (index) => {
      if (this.#model !== undefined) this.#probe ??= await probeOf(this.#model, signal);
      await writeGallery(file, {
        names: this.names,
        nameOfRow: this.#nameOfRow,
        threshold: this.#threshold,
        size: this.#size,
        embeddings: () => index.read(),
        probe: this.#probe,
      });
    });
  }

  /**
   * @param options.model That whose embeddings are in it; without one the gallery takes embeddings alone.
   * @throws FILE_NOT_FOUND; FILE_CORRUPT for what is no gallery, damaged or altered; NEWER_VERSION; GALLERY_MISMATCH for a gallery of
   *   another model's embeddings.
   */
  static async load(
    path: string,
    options: { model?: Model; device?: Device; threads?: number; signal?: AbortSignal } = {},
  ): Promise<Gallery> {
    const file = checkPath(path, 'path');
    const { model, signal, ...place } = checkOptions(options, undefined, { ...PLACE, ...SIGNAL });
    const { embeddings, names, nameOfRow, threshold, probe, size } = await readGallery(file, signal);
    if (model !== undefined) await expectSameSpace(file, { size, probe }, model, signal);
    const gallery = new Gallery({ ...place, ...(model && { model }), embeddingSize: size, threshold });
    gallery.#probe = probe;
    for (const name of names) gallery.#rowsOf.set(name, 0); // in their order, which rows do not keep
    try {
      const rows = { data: embeddings, shape: [nameOfRow.length, size] } satisfies Embeddings;
      if (nameOfRow.length > 0) await gallery.enrol(nameOfRow, rows, signal && { signal });
      return gallery;
    } catch (error) {
      gallery.dispose();
      throw error;
    }
  }

  /**
   * As `load`, for whoever changes a gallery and saves it again: until `dispose()` nobody else can open the file, in any process.
   * With a model, a new gallery where the file is not there yet.
   * @throws FILE_IN_USE, FILE_NOT_WRITTEN, and what `load` throws.
   */
  static async open(
    path: string,
    options: { model?: Model; device?: Device; threads?: number; signal?: AbortSignal } = {},
  ): Promise<Gallery> {
    const file = checkPath(path, 'path');
    const { model, signal, ...place } = checkOptions(options, undefined, { ...PLACE, ...SIGNAL });
    if (model === undefined) await expectThere(file);
    const lock = await lockFile(file);
    try {
      const isNew = model !== undefined && !(await isThere(file));
      const gallery = isNew ? new Gallery({ ...place, model }) : await Gallery.load(file, options);
      gallery.#lock = lock;
      return gallery;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Frees the native memory. Calling it again does nothing. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#index?.dispose();
    // Not before a file that is being written is there.
    void this.#turn.then(() => this.#lock?.release());
  }

  /** The same as `dispose()`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** One piece of work after another: what each row is called must be right for all of it. */
  #inTurn<T>(signal: AbortSignal | undefined, work: (index: SearchIndex) => Promise<T>): Promise<T> {
    const before = this.#turn;
    // An abort does not wait for the calls before; those after wait for them all the same.
    const result = untilAborted(before, signal).then(async () => work(await this.#opened()));
    this.#turn = Promise.allSettled([before, result]);
    return result;
  }

  /** Images are embedded while earlier calls go on. */
  #withEmbeddings<T>(
    images: ImagesInput | Embeddings,
    signal: AbortSignal | undefined,
    work: (index: SearchIndex, embeddings: Embeddings) => Promise<T>,
  ): Promise<T> {
    const embedding = this.#embeddings(images, signal);
    embedding.catch(() => undefined); // where this call ends before it comes to that
    return this.#inTurn(signal, async (index) => work(index, await embedding));
  }

  async #opened(): Promise<SearchIndex> {
    this.#requireAlive();
    this.#index ??= await SearchIndex.open(this.#size, this.#place);
    if (this.#isDisposed) this.#index.dispose();
    this.#requireAlive();
    return this.#index;
  }

  #requireAlive(): void {
    if (!this.#isDisposed) return;
    throw new MarginCoreError('DISPOSED', 'This gallery was disposed: its memory is released');
  }

  async #embeddings(images: ImagesInput | Embeddings, signal: AbortSignal | undefined): Promise<Embeddings> {
    this.#requireAlive();
    if (isEmbeddings(images)) {
      const [, size] = checkEmbeddings(images, 'embeddings').shape;
      if (size !== this.#size) throw otherSize(size, this.#size);
      return images;
    }
    if (this.#model !== undefined)
      return this.#model.embed(images, { normalize: true, ...(signal && { signal }) });
    throw needsModel();
  }

  /** Looks among so many of the nearest rows, and among more for queries that these do not suffice for. */
  async #nearestNames(
    index: SearchIndex,
    queries: Float32Array,
    asked: { wanted: number; threshold: number; signal: AbortSignal | undefined },
    rows: number,
  ): Promise<Match[][]> {
    const { wanted, threshold, signal } = asked;
    const columns = Math.min(rows, index.count);
    const all = Array.from({ length: queries.length / this.#size }, (): Match[] => []);
    const again: number[] = [];
    let looked = 0;
    for await (const { first, rows: found, cosines } of index.pieces(queries, columns, signal)) {
      for (let begin = 0; begin < found.length; begin += columns) {
        const query = first + begin / columns;
        const best = new Map<string, number>();
        for (let at = begin; at < begin + columns && best.size < wanted; at++) {
          const name = this.#nameOfRow[found[at]!]!;
          if (!best.has(name)) best.set(name, cosines[at]!);
        }
        // A name with many embeddings may have left no room for others.
        const isComplete =
          best.size === wanted || columns === index.count || cosines[begin + columns - 1]! < threshold;
        if (!isComplete) again.push(query);
        else {
          for (const [name, cosine] of best) if (cosine >= threshold) all[query]!.push({ name, cosine });
        }
        looked += columns;
        if (looked < LOOKED_THROUGH) continue;
        looked = 0;
        await turnEventLoop(signal);
      }
    }
    if (again.length > 0) {
      const rest = new Float32Array(again.length * this.#size);
      for (const [at, query] of again.entries()) rest.set(this.#rowOf(queries, query), at * this.#size);
      const found = await this.#nearestNames(index, rest, asked, 4 * columns);
      for (const [at, query] of again.entries()) all[query] = found[at]!;
    }
    return all;
  }

  #rowOf(embeddings: Float32Array, row: number): Float32Array {
    return embeddings.subarray(row * this.#size, (row + 1) * this.#size);
  }
}

export const needsModel = () =>
  new MarginCoreError(
    'UNSUPPORTED',
    'A gallery without a model takes embeddings, { data: Float32Array, shape: [N, D] }: to take images it needs its option `model`',
  );

const expectThere = (path: string) =>
  access(path).catch((error) => {
    throw unreadable(path, error);
  });

const isThere = (path: string) =>
  access(path).then(
    () => true,
    ({ code }) => code !== 'ENOENT',
  );

function checkNames(names: unknown): void {
  if (!Array.isArray(names)) {
    checkText(names, 'name');
    return;
  }
  const wrong = names.findIndex((name) => typeof name !== 'string' || name === '');
  if (wrong >= 0) checkText(names[wrong], `names[${wrong}]`);
}

const otherSize = (found: number, expected: number) =>
  new MarginCoreError(
    'SHAPE_MISMATCH',
    `embeddings: expected ${expected} numbers each, as this gallery has them, found ${found}`,
    { details: { expected, found } },
  );
