/** A gallery of which each of several processes has a part of the embeddings: of more than one of them can hold. */
import { createHash } from 'node:crypto';
import { checkPath, checkSignal } from '../base/check.js';
import { MarginCoreError } from '../base/errors.js';
import { checkOptions, option } from '../base/optionTable.js';
import { checkDistributed, type Distributed, type DistributedOptions } from '../distributed/options.js';
import { placementOfRank } from '../distributed/placement.js';
import { type Ranks, withRanks } from '../distributed/ranks.js';
import { rowsOfRank } from '../distributed/rowsOfRank.js';
import { type Embeddings, isEmbeddings } from '../metrics/embeddings.js';
import { type Device, placeNamed } from '../native/backends.js';
import {
  checkIdentify,
  Gallery,
  type Identification,
  type IdentifyOptions,
  type Match,
  needsModel,
  PLACE,
} from './gallery.js';
import { readGallery } from './galleryFile.js';
import type { Model } from './model.js';
import { type ImagesInput, imagesOfRank } from './pictures.js';
import { expectSameSpace } from './probe.js';

/** How `DistributedGallery.load` opens a gallery. */
export interface DistributedGalleryOptions {
  /** Makes embeddings of images, in each process of its part of them; without it the gallery takes embeddings alone. */
  model?: Model;
  /** Where each process searches. Default 'auto': of GPUs, that of its number on the machine. */
  device?: Device;
  threads?: number;
  /** As `train()` has it. Default true. */
  distributed?: boolean | Pick<DistributedOptions, 'engine' | 'timeoutSeconds'>;
  signal?: AbortSignal;
}

const LOAD = {
  ...PLACE,
  distributed: option('', (value, name) => checkDistributed(value, name), { default: true }),
  signal: option('', checkSignal),
} as const;

/**
 * A gallery's file, searched by processes that a launcher started (`mpirun -n 4 node find.mjs`): each holds a part of its embeddings,
 * embeds a part of the images that are asked about, and gets all answers. All call the same, with the same. What is found is what one
 * process finds. To change a gallery is one process's work: `Gallery`. Memory is held until `dispose()` (or `using`).
 */
export class DistributedGallery {
  private constructor(
    private readonly distributed: Distributed,
    private readonly model: Model | undefined,
    /** The own embeddings. */
    private readonly part: Gallery,
    /** Of each name: embeddings in all. */
    private readonly counts: ReadonlyMap<string, number>,
  ) {}

  #turn: Promise<unknown> = Promise.resolve();

  /** @throws As `Gallery.load` does; INVALID_OPTION for a process that was started alone, RANKS_DIFFER where files differ. */
  static async load(path: string, options: DistributedGalleryOptions = {}): Promise<DistributedGallery> {
    const file = checkPath(path, 'path');
    const { model, distributed, signal, device, threads } = checkOptions(options, undefined, LOAD);
    if (distributed === false) {
      throw new MarginCoreError('INVALID_OPTION', 'distributed: one process alone searches by Gallery.load', {
        details: { option: 'distributed' },
      });
    }
    return withRanks(distributed, async (ranks) => {
      const { embeddings, names, counts, nameOfRow, threshold, probe, size } = await readGallery(
        file,
        signal,
        (count) => rowsOfRank(count, ranks.rank, ranks.size),
      );
      await ranks.expectSame({ gallery: { size, threshold, names: digest(names), counts: digest(counts) } });
      if (model !== undefined) await expectSameSpace(file, { size, probe }, model, signal);
      const place = await placementOfRank(device, threads);
      const own = new Gallery({ ...placeNamed(place), embeddingSize: size, threshold });
      try {
        const rows = { data: embeddings, shape: [nameOfRow.length, size] } satisfies Embeddings;
        if (nameOfRow.length > 0) await own.enrol(nameOfRow, rows, signal && { signal });
        const countOf = new Map(names.map((name, index) => [name, counts[index]!]));
        return new DistributedGallery(distributed, model, own, countOf);
      } catch (error) {
        own.dispose();
        throw error;
      }
    });
  }

  /** Of all processes, each once, in the order of their first embeddings. */
  get names(): string[] {
    return [...this.counts.keys()];
  }

  /** Embeddings of all processes; or those of a name. */
  count(name?: string): number {
    if (name !== undefined) return this.counts.get(name) ?? 0;
    return [...this.counts.values()].reduce((sum, each) => sum + each, 0);
  }

  /** Embeddings that this process has. */
  get ownCount(): number {
    return this.part.count();
  }

  /** The cosine that a match has at least, unless a call says another. */
  get threshold(): number {
    return this.part.threshold;
  }

  /**
   * The nearest names of each image, or of each embedding, in every process.
   * @param images As `Gallery.identify` takes them, but for what comes one after another; the same in all processes.
   * @throws As `Gallery.identify` does; RANKS_DIFFER where processes ask otherwise; RANK_FAILED where one does not answer. Then all end.
   */
  async identify(images: ImagesInput | Embeddings, options: IdentifyOptions = {}): Promise<Identification[]> {
    const { top, threshold = this.threshold, signal } = checkIdentify(options);
    const before = this.#turn;
    const result = before.then(() =>
      withRanks(this.distributed, async (ranks) => {
        await ranks.expectSame({ top, threshold });
        const queries = await this.#queries(images, ranks, signal);
        const found = await this.part.identify(queries, { top, threshold, ...(signal && { signal }) });
        const parts = await ranks.gather(found.map(({ matches }) => matches));
        return found.map((_, query) => ({
          matches: nearest(
            parts.map((part) => part[query]!),
            top,
          ),
          ...(queries.files?.[query] && { file: queries.files[query] }),
        }));
      }),
    );
    this.#turn = Promise.allSettled([before, result]);
    return result;
  }

  /** Frees the native memory of this process. Calling it again does nothing. */
  dispose(): void {
    this.part.dispose();
  }

  /** The same as `dispose()`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The same in all processes, to the bit: each embeds its part of images. */
  async #queries(
    images: ImagesInput | Embeddings,
    ranks: Ranks,
    signal: AbortSignal | undefined,
  ): Promise<Embeddings> {
    if (isEmbeddings(images)) {
      await ranks.expectSame({ embeddings: createHash('sha256').update(bytesOf(images.data)).digest('hex') });
      return images;
    }
    const { model } = this;
    if (model === undefined) throw needsModel();
    const own = await imagesOfRank(images, ranks);
    const found =
      own === undefined
        ? { data: new Float32Array(), files: [] }
        : await model.embed(own, { normalize: true, ...(signal && { signal }) });
    const data = floatsOf(await ranks.gatherBytes(bytesOf(found.data)));
    const size = model.embeddingSize;
    // One for each image: a part may have none that came from files.
    const ownFiles = found.files ?? new Array<string>(found.data.length / size).fill('');
    const files = (await ranks.gather(ownFiles)).flat();
    return { data, shape: [data.length / size, size], files };
  }
}

/** Of what each process has found. A name's embeddings may lie with several. */
function nearest(parts: readonly (readonly Match[])[], top: number): Match[] {
  const best = new Map<string, Match>();
  for (const match of parts.flat()) {
    const known = best.get(match.name);
    if (known === undefined || match.cosine > known.cosine) best.set(match.name, match);
  }
  return [...best.values()].sort((a, b) => b.cosine - a.cosine).slice(0, top);
}

const digest = (values: readonly (string | number)[]) =>
  createHash('sha256').update(JSON.stringify(values)).digest('hex');

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

function floatsOf(parts: readonly Uint8Array[]): Float32Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return new Float32Array(bytes.buffer);
}
