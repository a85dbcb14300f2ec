/** Hands training images to a native session without holding up the event loop. */
import { setImmediate } from 'node:timers/promises';
import { awaitNative, callNative } from './addon.js';
import type { ImageArray } from './data/types.js';
import type { NativeSession } from './native.js';

/** Copied in a few milliseconds. */
const PIECE_BYTES = 16 * 2 ** 20;

/**
 * Makes image samples[i] of `images`, with the class labels[i], what the session trains on, for every i. The session
 * copies them; rejects with the signal's reason once that is aborted.
 */
export async function uploadSamples(
  session: NativeSession,
  images: ImageArray,
  samples: Int32Array,
  labels: Int32Array,
  signal?: AbortSignal,
): Promise<void> {
  const [, H, W, C] = images.shape;
  const piece = Math.max(1, Math.floor(PIECE_BYTES / (H * W * C)));
  callNative(() => session.reserveTrainingData(samples.length));
  for (let first = 0; first < samples.length; first += piece) {
    const end = first + piece;
    callNative(() =>
      session.addTrainingData(images.data, samples.subarray(first, end), labels.subarray(first, end)),
    );
    await setImmediate();
    signal?.throwIfAborted();
  }
  await awaitNative(() => session.uploadTrainingData());
}
