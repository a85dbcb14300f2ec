/** Hands training images to a native session without holding up the event loop. */
import { turnEventLoop } from '../base/abort.js';
import { checkMemory } from '../data/checkViews.js';
import { PackedImages } from '../data/packedImages.js';
import { inSource, labelsOf, rangeOf, type Samples } from '../data/samples.js';
import type { NativeSession } from '../native/contract.js';
import { awaitNative, callNative } from '../native/load.js';

/** Copied in a few milliseconds. */
const PIECE_BYTES = 16 * 2 ** 20;

/** How many images the session will have: of a file that it views all that are in it. */
export function imagesToHold(samples: Samples): number {
  const { images, numbers } = inSource(samples);
  return images instanceof PackedImages ? images.shape[0] : numbers.length;
}

/**
 * Makes these samples what the session trains on, and says by which numbers it knows them, in their order. The session copies
 * them, but for images in a file, which it views: all that are in it. Rejects with the signal's reason once that is aborted.
 */
export async function uploadSamples(
  session: NativeSession,
  given: Samples,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const samples = inSource(given);
  const { images, labels, numbers } = samples;
  if (images instanceof PackedImages) {
    await awaitNative(() => session.viewTrainingData(images.file.native, images.begin, labels));
    return numbers;
  }
  const [, H, W, C] = images.shape;
  const count = numbers.length;
  const piece = Math.max(1, Math.floor(PIECE_BYTES / (H * W * C)));
  callNative(() => session.reserveTrainingData(count));
  for (let first = 0; first < count; first += piece) {
    const part = rangeOf(samples, first, first + piece);
    checkMemory(part.images.data, 'data.images');
    callNative(() => session.addTrainingData(part.images.data, part.numbers, labelsOf(part)));
    await turnEventLoop(signal);
  }
  await awaitNative(() => session.uploadTrainingData());
  return numbers.map((_, index) => index);
}
