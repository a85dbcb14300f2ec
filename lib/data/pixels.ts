/** The one way to the bytes of images, whether they are an array or in a file. */
import { checkMemory } from './checkViews.js';
import { PackedImages } from './packedImages.js';
import type { ImageArray } from './types.js';

/**
 * Of images `first` to before `first + count`, (count, H, W, C). Throws INVALID_DATA where the array's memory was transferred
 * away meanwhile.
 */
export function pixelsOf(images: ImageArray, first: number, count = 1): Uint8Array {
  if (images instanceof PackedImages) return images.pixels(first, count);
  checkMemory(images.data, 'images');
  const [, H, W, C] = images.shape;
  const size = H * W * C;
  return images.data.subarray(first * size, (first + count) * size);
}

/** Whether both are the same memory, however often they were checked, which may give another view. */
export function areSameImages(a: ImageArray, b: ImageArray): boolean {
  if (a instanceof PackedImages || b instanceof PackedImages) return a === b;
  return (
    a.data.buffer === b.data.buffer &&
    a.data.byteOffset === b.data.byteOffset &&
    a.data.length === b.data.length
  );
}
