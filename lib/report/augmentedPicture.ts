/** Training images as steps see them, in a grid: by the core's own batch assembly. */
import type Sharp from 'sharp';
import { untilAborted } from '../base/abort.js';
import { lazy } from '../base/lazy.js';
import { type CheckedAugment, nativeAugmentation, requireAugmentable } from '../data/augment.js';
import { imageSize } from '../data/imageSize.js';
import { imagesOf, type Samples } from '../data/samples.js';
import { type Device, selectDevice } from '../native/backends.js';
import { awaitNative, native } from '../native/load.js';
import { requirePictures } from './contactSheet/pictures.js';

const sharp = lazy<typeof Sharp>('sharp');

export interface AugmentedImagesOptions {
  readonly augment: CheckedAugment;
  readonly seed: number;
  /** Counted from 0 */
  readonly epoch: number;
  readonly device: Device;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Values in 0…255, (N, H, W, C): of the samples in their order, by their numbers. Throws INVALID_OPTION. */
export async function augmentedImages(
  samples: Samples,
  { augment, seed, epoch, device, threads, signal }: AugmentedImagesOptions,
): Promise<Float32Array> {
  const size = imageSize(samples.images);
  requireAugmentable(augment, size);
  const { backend, deviceIndex, threads: used } = await untilAborted(selectDevice(device, threads), signal);
  const { data, shape } = imagesOf(samples);
  const changed = awaitNative(() =>
    native().changedImages({
      ...{ backend: backend.name, deviceIndex, threads: used, seed, epoch },
      images: data,
      size: Int32Array.from(size),
      samples: Int32Array.from({ length: shape[0] }, (_, index) => index),
      numbers: samples.numbers,
      augmentation: nativeAugmentation(augment),
      mean: new Float32Array(size[2]),
      std: new Float32Array(size[2]).fill(1 / 255),
    }),
  );
  return await untilAborted(changed, signal);
}

/** Pixels of the picture's side that an image takes at least, where it is smaller: whole pixels become squares. */
const SHOWN = 64;
/** Of the background, in pixels and in grey. */
const GAP = 2;
const BACKGROUND = 32;

/** A PNG file with the images side by side. Throws INVALID_OPTION, and UNSUPPORTED for images that are no pictures. */
export async function augmentedPicture(
  samples: Samples,
  options: AugmentedImagesOptions,
): Promise<Uint8Array> {
  const size = imageSize(samples.images);
  requirePictures(size);
  const [H, W, C] = size;
  const values = await augmentedImages(samples, options);
  const count = samples.numbers.length;
  const columns = Math.ceil(Math.sqrt(count));
  const zoom = Math.max(1, Math.floor(SHOWN / Math.max(H, W)));
  const width = columns * (W * zoom + GAP) + GAP;
  const height = Math.ceil(count / columns) * (H * zoom + GAP) + GAP;
  const pixels = new Uint8Array(width * height * C).fill(BACKGROUND);
  for (let image = 0; image < count; image++) {
    const left = GAP + (image % columns) * (W * zoom + GAP);
    const top = GAP + Math.floor(image / columns) * (H * zoom + GAP);
    for (let y = 0; y < H * zoom; y++) {
      for (let x = 0; x < W * zoom; x++) {
        const from = ((image * H + Math.floor(y / zoom)) * W + Math.floor(x / zoom)) * C;
        const to = ((top + y) * width + left + x) * C;
        for (let c = 0; c < C; c++) pixels[to + c] = Math.round(values[from + c]!);
      }
    }
  }
  return await sharp()(pixels, { raw: { width, height, channels: C as 1 | 3 | 4 } })
    .toColourspace(C === 1 ? 'b-w' : 'srgb')
    .png({ compressionLevel: 9 })
    .toBuffer();
}
