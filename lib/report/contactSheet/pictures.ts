/** Images of a split as PNG files in data URIs. */
import { availableParallelism } from 'node:os';
import type Sharp from 'sharp';
import { MarginCoreError } from '../../base/errors.js';
import { lazy } from '../../base/lazy.js';
import { PICTURE_CHANNELS } from '../../data/decode.js';
import type { ImageSize } from '../../data/imageSize.js';
import { pixelsOf } from '../../data/pixels.js';
import type { ImageArray } from '../../data/types.js';

const sharp = lazy<typeof Sharp>('sharp');

/** Longer side of a picture; larger images are reduced to it. */
const LONGEST = 128;

/** Throws UNSUPPORTED for images that are no pictures. */
export function requirePictures([, , C]: ImageSize): void {
  if (PICTURE_CHANNELS.includes(C)) return;
  throw new MarginCoreError('UNSUPPORTED', `Pictures have 1, 3 or 4 channels, these images have ${C}`, {
    details: { channels: C },
  });
}

/** By the samples' numbers. The very pixels, up to 128×128; larger ones are reduced. */
export async function pictureUris(
  images: ImageArray,
  samples: Iterable<number>,
  signal: AbortSignal | undefined,
): Promise<Map<number, string>> {
  const uris = new Map<number, string>();
  const waiting = new Set(samples).values();
  const work = async () => {
    for (const sample of waiting) {
      signal?.throwIfAborted();
      uris.set(sample, await pictureUri(images, sample));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return uris;
}

async function pictureUri(images: ImageArray, sample: number): Promise<string> {
  const [, H, W, C] = images.shape;
  const pixels = pixelsOf(images, sample);
  const raw = { width: W, height: H, channels: C as 1 | 3 | 4 };
  const png = await sharp()(pixels, { raw })
    .resize({ width: LONGEST, height: LONGEST, fit: 'inside', withoutEnlargement: true })
    .toColourspace(C === 1 ? 'b-w' : 'srgb')
    .png({ compressionLevel: 9 })
    .toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}
