import { createHash } from 'node:crypto';
import { turnEventLoop } from '../base/abort.js';
import { pixelsOf } from './pixels.js';
import type { Samples } from './samples.js';

/** What data is told by: the same for the same samples in the same order, wherever they came from. */
export interface Fingerprint {
  readonly images: number;
  /** [H, W, C] */
  readonly size: readonly number[];
  /** SHA-256 of the labels, and of the pixels, in hexadecimal. */
  readonly labels: string;
  readonly pixels: string;
}

/** Hashed at once: some 5 ms of the event loop. */
const PIECE_BYTES = 2 ** 23;

/** Rejects with the signal's reason once that is aborted. */
export async function fingerprint(
  { images, labels, numbers }: Samples,
  signal?: AbortSignal,
): Promise<Fingerprint> {
  const [, ...size] = images.shape;
  const bytes = size.reduce((product, length) => product * length, 1);
  const pixels = createHash('sha256');
  let hashed = 0;
  for (const number of numbers) {
    pixels.update(pixelsOf(images, number));
    hashed += bytes;
    if (hashed < PIECE_BYTES) continue;
    hashed = 0;
    await turnEventLoop(signal);
  }
  const labelsOfSamples = numbers.map((number) => labels[number]!);
  return {
    images: numbers.length,
    size,
    labels: createHash('sha256').update(labelsOfSamples).digest('hex'),
    pixels: pixels.digest('hex'),
  };
}
