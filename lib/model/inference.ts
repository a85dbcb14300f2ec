/** Runs a session over many images in batches that keep every intermediate array small. */

import { imagesOf, labelsOf, rangeOf, type Samples } from '../data/samples.js';
import type { ImageArray } from '../data/types.js';
import { type Scores, ScoreTally } from '../metrics/accuracy.js';
import type { NativeInferRequest, NativeInferResult, NativeSession } from '../native/contract.js';
import { awaitNative } from '../native/load.js';

type Outputs = Omit<NativeInferRequest, 'images' | 'count'>;

/** Of one call: floats per output array, 16 MB; bytes of images, 64 MB; and images, so that no call takes long. */
const MAX_FLOATS = 2 ** 22;
const MAX_BYTES = 2 ** 26;
const MAX_IMAGES = 8192;

/** The outputs for all images at once. */
export function infer(
  session: NativeSession,
  images: ImageArray,
  outputs: Partial<Outputs>,
): Promise<NativeInferResult> {
  const wanted = {
    probabilities: false,
    scores: false,
    embeddings: false,
    normalizeEmbeddings: false,
    ...outputs,
  };
  return awaitNative(() => session.infer({ images: images.data, count: images.shape[0], ...wanted }));
}

/**
 * Margin-free accuracy and loss.
 * @param confusion (C, C): row = label, column = prediction, counted in where given.
 * @param embeddings (N, D): filled with the unit embeddings where given.
 * @param signal Stops it with the signal's reason.
 */
export async function scoreSamples(
  session: NativeSession,
  samples: Samples,
  numClasses: number,
  {
    confusion,
    embeddings,
    signal,
  }: { confusion?: Int32Array; embeddings?: Float32Array; signal?: AbortSignal } = {},
): Promise<Scores> {
  const tally = new ScoreTally(numClasses, confusion);
  const [, H, W, C] = samples.images.shape;
  const count = samples.numbers.length;
  const size = embeddings === undefined ? 0 : embeddings.length / count;
  const fitting = Math.min(MAX_FLOATS / Math.max(numClasses, size), MAX_BYTES / (H * W * C), MAX_IMAGES);
  const most = Math.max(1, Math.floor(fitting));
  const wanted = { scores: true, embeddings: embeddings !== undefined, normalizeEmbeddings: true };
  for (let first = 0; first < count; first += most) {
    const batch = rangeOf(samples, first, first + most);
    const outputs = await infer(session, imagesOf(batch), wanted);
    signal?.throwIfAborted();
    tally.add(outputs.scores!, labelsOf(batch));
    embeddings?.set(outputs.embeddings!, first * size);
  }
  return tally.result();
}
