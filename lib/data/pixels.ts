/** The one way to the bytes of images, whether they are an array, in a file, or some of either. */
import { ChosenImages } from './chosenImages.js';
import { PackedImages } from './packedImages.js';
import { storedPixels } from './storedPixels.js';
import type { ImageArray } from './types.js';

/** Images whose array is made when somebody wants one. */
export const isView = (images: unknown): images is PackedImages | ChosenImages =>
  images instanceof PackedImages || images instanceof ChosenImages;

/**
 * Of images `first` to before `first + count`, (count, H, W, C). Throws INVALID_DATA where the array's memory was transferred
 * away meanwhile.
 */
export function pixelsOf(images: ImageArray, first: number, count = 1): Uint8Array {
  return images instanceof ChosenImages ? images.pixels(first, count) : storedPixels(images, first, count);
}

/** Whether both are the same memory, however often they were checked, which may give another view. */
export function areSameImages(a: ImageArray, b: ImageArray): boolean {
  if (isView(a) || isView(b)) return a === b;
  return (
    a.data.buffer === b.data.buffer &&
    a.data.byteOffset === b.data.byteOffset &&
    a.data.length === b.data.length
  );
}
