/** Runs a session over many images in batches that keep every intermediate array small. */

import type { ImageArray, Split } from '../data/types.js';
import { ScoreTally } from '../metrics/accuracy.js';
import type { NativeInferRequest, NativeInferResult, NativeSession } from '../native/contract.js';
import { awaitNative } from '../native/load.js';
import type { Scores } from '../training/events.js';

type Outputs = Omit<NativeInferRequest, 'images' | 'count'>;

/** Floats per output array of one call, 16 MB; and images per call, so that no call takes long. */
const MAX_FLOATS = 2 ** 22;
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
export async function scoreSplit(
  session: NativeSession,
  { images, labels }: Split,
  numClasses: number,
  {
    confusion,
    embeddings,
    signal,
  }: { confusion?: Int32Array; embeddings?: Float32Array; signal?: AbortSignal } = {},
): Promise<Scores> {
  const tally = new ScoreTally(numClasses, confusion);
  const [count, H, W, C] = images.shape;
  const pixels = H * W * C;
  const size = embeddings === undefined ? 0 : embeddings.length / count;
  const most = Math.max(1, Math.min(MAX_IMAGES, Math.floor(MAX_FLOATS / Math.max(numClasses, size))));
  for (let first = 0; first < count; first += most) {
    const end = Math.min(count, first + most);
    const batch: ImageArray = {
      data: images.data.subarray(first * pixels, end * pixels),
      shape: [end - first, H, W, C],
    };
    const wanted = { scores: true, embeddings: embeddings !== undefined, normalizeEmbeddings: true };
    const outputs = await infer(session, batch, wanted);
    signal?.throwIfAborted();
    tally.add(outputs.scores!, labels.subarray(first, end));
    embeddings?.set(outputs.embeddings!, first * size);
  }
  return tally.result();
}
