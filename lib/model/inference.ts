/** Runs a session over many images in calls that keep every intermediate array small, and can end between two. */

import { untilAborted } from '../base/abort.js';
import { MarginCoreError } from '../base/errors.js';
import { allOf, imagesOf, labelsOf, rangeOf, type Samples } from '../data/samples.js';
import type { ImageArray } from '../data/types.js';
import { type Scores, ScoreTally } from '../metrics/accuracy.js';
import type { GrowingHistogram } from '../metrics/growingHistogram.js';
import type { NativeInferRequest, NativeInferResult, NativeSession } from '../native/contract.js';
import { awaitNative } from '../native/load.js';

type Outputs = Omit<NativeInferRequest, 'images' | 'count' | 'labels'> & { labels?: Int32Array };

/** What ends work before it is done. */
export interface Ending {
  /** Of the caller: at once, with its reason, whatever is under way. */
  readonly signal?: AbortSignal | undefined;
  /** Throws once the model has ended: asked after each call, also one that failed. */
  readonly requireAlive?: () => void;
}

/** Of one call: floats per output array, 16 MB; bytes of images, 64 MB; images; floating-point operations, some 0.2 s. */
const MAX_FLOATS = 2 ** 22;
const MAX_BYTES = 2 ** 26;
const MAX_IMAGES = 8192;
const MAX_FLOPS = 4e10;

/** Of the native side: calls of whole batches compute exactly what one call for all images would. */
const NATIVE_BATCH = 128;

/** The outputs for all images at once. */
export function infer(
  session: NativeSession,
  images: ImageArray,
  outputs: Partial<Outputs>,
): Promise<NativeInferResult> {
  const wanted = {
    probabilities: false,
    scores: false,
    cosines: false,
    embeddings: false,
    normalizeEmbeddings: false,
    ...outputs,
  };
  return awaitNative(() => session.infer({ images: images.data, count: images.shape[0], ...wanted }));
}

/** Outputs that have a row for each image. */
export type RowName = 'probabilities' | 'cosines' | 'embeddings';

/** The outputs of several calls as those of one. */
export function joined<Name extends RowName>(
  parts: readonly Record<Name, Float32Array>[],
  names: readonly Name[],
): Record<Name, Float32Array> {
  if (parts.length === 1) return parts[0]!;
  const all = (name: Name) => {
    const length = parts.reduce((sum, part) => sum + part[name].length, 0);
    const values = new Float32Array(length);
    let end = 0;
    for (const { [name]: rows } of parts) {
      values.set(rows, end);
      end += rows.length;
    }
    return values;
  };
  return Object.fromEntries(names.map((name) => [name, all(name)])) as Record<Name, Float32Array>;
}

/**
 * Outputs for the images, each (N, columns). Rejects with OUT_OF_MEMORY where there is no room for them.
 * @param columns Of the outputs that are wanted: numbers per image.
 */
export async function inferRows<Name extends RowName>(
  session: NativeSession,
  images: ImageArray,
  columns: ReadonlyMap<Name, number>,
  { normalizeEmbeddings = false, ...ending }: Ending & { normalizeEmbeddings?: boolean },
): Promise<Record<Name, Float32Array>> {
  const samples = allOf({ images, labels: new Int32Array(images.shape[0]) });
  const rows = new Map(
    Array.from(columns, ([name, width]) => [name, room(name, samples.numbers.length, width)]),
  );
  const wanted = {
    ...Object.fromEntries(Array.from(columns.keys(), (name) => [name, true])),
    normalizeEmbeddings,
  };
  const widest = Math.max(...columns.values());
  for await (const { outputs, first } of calls(session, samples, wanted, widest, ending)) {
    for (const [name, width] of columns) rows.get(name)!.set(outputs[name]!, first * width);
  }
  return Object.fromEntries(rows) as Record<Name, Float32Array>;
}

/**
 * Margin-free accuracy and loss.
 * @param embeddings (N, D): filled with the unit embeddings where given.
 */
export async function scoreSamples(
  session: NativeSession,
  samples: Samples,
  numClasses: number,
  { embeddings, ...ending }: { embeddings?: Float32Array } & Ending = {},
): Promise<Scores> {
  const tally = new ScoreTally(numClasses);
  await tallyScores(session, samples, tally, { ...(embeddings && { embeddings }), ...ending });
  return tally.result();
}

/** Adds up margin-free scores, batch by batch. */
export interface Tally {
  readonly numClasses: number;
  /** @param scores (N, numClasses) @param labels (N) */
  add(scores: Float32Array, labels: Int32Array): void;
}

/** Adds the samples' margin-free scores up. @param embeddings As in `scoreSamples`. */
export async function tallyScores(
  session: NativeSession,
  samples: Samples,
  tally: Tally,
  { embeddings, ...ending }: { embeddings?: Float32Array } & Ending,
): Promise<void> {
  const size = embeddings === undefined ? 0 : embeddings.length / samples.numbers.length;
  const wanted = { scores: true, embeddings: embeddings !== undefined, normalizeEmbeddings: true };
  const widest = Math.max(tally.numClasses, size);
  for await (const { outputs, first, batch } of calls(session, samples, wanted, widest, ending)) {
    tally.add(outputs.scores!, labelsOf(batch));
    embeddings?.set(outputs.embeddings!, first * size);
  }
}

/** Counts the images' margin-free scores, of all classes. */
export async function countScores(
  session: NativeSession,
  images: ImageArray,
  numClasses: number,
  histogram: GrowingHistogram,
  ending: Ending,
): Promise<void> {
  const samples = allOf({ images, labels: new Int32Array(images.shape[0]) });
  for await (const { outputs } of calls(session, samples, { scores: true }, numClasses, ending)) {
    histogram.add(outputs.scores!);
  }
}

/** What the native work comes to, unless that is ended: whatever it fails of then is the consequence. */
export async function untilEnded<T>(work: Promise<T>, { signal, requireAlive }: Ending): Promise<T> {
  const result = await untilAborted(work, signal).catch((error) => {
    if (!signal?.aborted) requireAlive?.();
    throw error;
  });
  requireAlive?.();
  return result;
}

/** Outputs for one part of the samples after another. */
async function* calls(
  session: NativeSession,
  samples: Samples,
  wanted: Partial<Outputs>,
  widest: number,
  ending: Ending,
) {
  const [, H, W, C] = samples.images.shape;
  const most = imagesPerCall(H * W * C, widest, session);
  for (let first = 0; first < samples.numbers.length; first += most) {
    ending.signal?.throwIfAborted();
    const batch = rangeOf(samples, first, first + most);
    const outputs = await untilEnded(infer(session, imagesOf(batch), wanted), ending);
    yield { outputs, first, batch };
  }
}

function imagesPerCall(bytes: number, floats: number, { summary }: NativeSession): number {
  const flops = summary.layers.reduce((sum, layer) => sum + layer.flops, 0);
  const small = Math.min(MAX_FLOATS / floats, MAX_BYTES / bytes);
  if (small < NATIVE_BATCH) return Math.max(1, Math.floor(small));
  const most = Math.min(small, MAX_IMAGES, MAX_FLOPS / Math.max(1, flops));
  return NATIVE_BATCH * Math.max(1, Math.floor(most / NATIVE_BATCH));
}

function room(name: string, rows: number, columns: number): Float32Array {
  try {
    return new Float32Array(rows * columns);
  } catch (cause) {
    const needed = rows * columns * Float32Array.BYTES_PER_ELEMENT;
    throw new MarginCoreError(
      'OUT_OF_MEMORY',
      `There is no memory for the ${name} of ${rows} images, ${columns} numbers each. Take fewer at a time`,
      { cause, details: { needed } },
    );
  }
}
