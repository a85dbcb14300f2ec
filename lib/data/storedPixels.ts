/** Bytes of images where they are kept: in an array, or in a file. */
import { checkMemory } from './checkViews.js';
import { PackedImages } from './packedImages.js';
import type { ImageArray } from './types.js';

/** As `pixelsOf`, of images that are not chosen from others. */
export function storedPixels(images: ImageArray, first: number, count: number): Uint8Array {
  if (images instanceof PackedImages) return images.pixels(first, count);
  checkMemory(images.data, 'images');
  const [, H, W, C] = images.shape;
  const size = H * W * C;
  return images.data.subarray(first * size, (first + count) * size);
}
