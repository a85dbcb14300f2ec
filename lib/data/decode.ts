/** Pictures in files and buffers as bytes of the size and colours that a network takes. */
import { availableParallelism } from 'node:os';
import type Sharp from 'sharp';
import { MarginCoreError } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { readBytes } from '../files/readBytes.js';
import { isPnm, parsePnm } from './formats/pnm.js';
import type { ImageSize } from './imageSize.js';
import type { Preprocessing } from './preprocessing.js';
import type { ImageArray } from './types.js';

/** A file's path, or what would be in it: JPEG, PNG, WebP, GIF, TIFF, AVIF, PGM or PPM. */
export type Picture = string | Uint8Array;

const sharp = lazy<typeof Sharp>('sharp');

/** Pixels of a picture: more is a bomb, or nothing that a network of 1024×1024 at most would need. */
const MOST_PIXELS = 2 ** 27;

const FITS = { cover: 'cover', contain: 'contain', stretch: 'fill' } as const;

/** Channels that a picture can have: grey, red-green-blue, and that with alpha. */
export const PICTURE_CHANNELS: readonly number[] = [1, 3, 4];

/**
 * The pictures in their order, (N, H, W, C). They are turned as their EXIF says, scaled, and brought to the channels that are
 * asked for: 1 is grey, 3 are red, green and blue, 4 these and alpha. Rejects with FILE_NOT_FOUND, with FILE_CORRUPT for what cannot be
 * decoded, and with UNSUPPORTED for a network of other channels.
 */
export async function decodePictures(
  pictures: readonly Picture[],
  [H, W, C]: ImageSize,
  preprocessing: Preprocessing,
  signal?: AbortSignal,
): Promise<ImageArray> {
  if (!PICTURE_CHANNELS.includes(C)) {
    throw new MarginCoreError(
      'UNSUPPORTED',
      `Pictures have 1, 3 or 4 channels, the network takes ${C}: give it arrays`,
    );
  }
  const size = H * W * C;
  const data = new Uint8Array(pictures.length * size);
  const waiting = pictures.entries();
  const work = async () => {
    for (const [index, picture] of waiting) {
      signal?.throwIfAborted();
      data.set(await decodePicture(picture, [H, W, C], preprocessing), index * size);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return { data, shape: [pictures.length, H, W, C] };
}

/** Height and width of a picture, once it is turned as its EXIF says. Throws an Error that says what is wrong. */
export async function pictureSize(bytes: Uint8Array): Promise<readonly [H: number, W: number]> {
  const { autoOrient } = await (await pictureOf(bytes)).metadata();
  return [autoOrient.height, autoOrient.width];
}

async function decodePicture(
  picture: Picture,
  [H, W, C]: ImageSize,
  { resize, background }: Preprocessing,
): Promise<Uint8Array> {
  const bytes = typeof picture === 'string' ? await readBytes(picture) : picture;
  try {
    const grey = { r: background, g: background, b: background };
    const scaled = (await pictureOf(bytes))
      .autoOrient()
      .resize({ width: W, height: H, fit: FITS[resize], background: { ...grey, alpha: C === 4 ? 0 : 1 } });
    const coloured =
      C === 4
        ? scaled.toColourspace('srgb').ensureAlpha()
        : scaled.flatten({ background: grey }).toColourspace(C === 1 ? 'b-w' : 'srgb');
    const { data, info } = await coloured.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    if (info.width !== W || info.height !== H || info.channels !== C) {
      throw new Error(`it became ${info.width}×${info.height} with ${info.channels} channels`);
    }
    return data;
  } catch (error) {
    const name = typeof picture === 'string' ? picture : `A picture of ${bytes.length} bytes`;
    const isPixels = typeof picture !== 'string' && bytes.length % (H * W * C) === 0;
    const hint = isPixels ? '. Pixels are given as { data, shape: [N, H, W, C] }' : '';
    throw new MarginCoreError(
      'FILE_CORRUPT',
      `${name} cannot be decoded: ${(error as Error).message}${hint}`,
      {
        cause: error,
        details: typeof picture === 'string' ? { path: picture } : {},
      },
    );
  }
}

/** As `Sharp.metadata` calls them; AVIF is its only 'heif'. */
const KINDS: readonly string[] = ['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif'];

/** Throws an Error for what the library would take beside pictures: a drawing or a document, which may name other files. */
async function pictureOf(bytes: Uint8Array): Promise<Sharp.Sharp> {
  const picture = sharpOf(bytes);
  if (isPnm(bytes)) return picture;
  const { format } = await picture.metadata();
  if (!KINDS.includes(format)) throw new Error(`it is ${format}, and pictures of this kind are not decoded`);
  return picture;
}

function sharpOf(bytes: Uint8Array): Sharp.Sharp {
  const limits = { limitInputPixels: MOST_PIXELS, failOn: 'error' } as const;
  if (!isPnm(bytes)) return sharp()(bytes, limits);
  const { data, ...raw } = parsePnm(bytes);
  return sharp()(data, { ...limits, raw });
}
