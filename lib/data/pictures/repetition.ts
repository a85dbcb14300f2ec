/** Images that are there twice, told by digests of their pixels. */
import { createHash } from 'node:crypto';
import { type Note, note } from '../../base/note.js';

/** Of one image's pixels: of a million different ones no two are likely to have the same (one in thirty million). */
export function digestOf(pixels: Uint8Array): bigint {
  return createHash('sha1').update(pixels).digest().readBigUInt64LE();
}

/** @param digests Of all samples, `train` of them training images, the others test images */
export function repetitionNotes(
  digests: BigUint64Array,
  train: number,
  nameOf: (sample: number) => string,
): Note[] {
  if (train === digests.length) return [];
  const seen = new Set(digests.subarray(0, train));
  let count = 0;
  let first: number | undefined;
  for (let sample = train; sample < digests.length; sample++) {
    if (!seen.has(digests[sample]!)) continue;
    first ??= sample;
    count++;
  }
  return note(
    'TEST_IMAGES_TRAINED_ON',
    first === undefined
      ? undefined
      : `${count} of ${digests.length - train} test images are also among the training images, pixel for pixel, such as ` +
          `${nameOf(first)}: what is scored on them says nothing of images that were not seen`,
  );
}
