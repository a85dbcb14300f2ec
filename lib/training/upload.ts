/** Hands training images to a native session without holding up the event loop. */
import { turnEventLoop } from '../base/abort.js';
import { checkMemory } from '../data/checkViews.js';
import { labelsOf, rangeOf, type Samples } from '../data/samples.js';
import type { NativeSession } from '../native/contract.js';
import { awaitNative, callNative } from '../native/load.js';

/** Copied in a few milliseconds. */
const PIECE_BYTES = 16 * 2 ** 20;

/**
 * Makes these samples, in their order, what the session trains on. The session copies them; rejects with the signal's
 * reason once that is aborted.
 */
export async function uploadSamples(
  session: NativeSession,
  samples: Samples,
  signal?: AbortSignal,
): Promise<void> {
  const [, H, W, C] = samples.images.shape;
  const count = samples.numbers.length;
  const piece = Math.max(1, Math.floor(PIECE_BYTES / (H * W * C)));
  callNative(() => session.reserveTrainingData(count));
  for (let first = 0; first < count; first += piece) {
    const part = rangeOf(samples, first, first + piece);
    checkMemory(part.images.data, 'data.images');
    callNative(() => session.addTrainingData(part.images.data, part.numbers, labelsOf(part)));
    await turnEventLoop(signal);
  }
  await awaitNative(() => session.uploadTrainingData());
}
