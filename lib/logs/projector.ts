/** Embeddings for TensorBoard's projector: tables, the images as one picture, and the file that says so. */
import { join } from 'node:path';
import type Sharp from 'sharp';
import { lazy } from '../base/lazy.js';
import { PICTURE_CHANNELS } from '../data/decode.js';
import { imageSize } from '../data/imageSize.js';
import { pixelsOf } from '../data/pixels.js';
import { imagesOf, labelsOf, type Samples, spreadOf } from '../data/samples.js';
import { writeAside } from '../files/writeAside.js';
import type { Model } from '../model/model.js';

const sharp = lazy<typeof Sharp>('sharp');

const TENSORS = 'tensors.tsv';
const METADATA = 'metadata.tsv';
const SPRITE = 'sprite.png';
/** By this name TensorBoard finds it. */
const CONFIG = 'projector_config.pbtxt';

/** Longer side of an image in the picture: of the 100×100 that there may be no browser refuses the picture. */
const LONGEST = 64;

/** Writes the files. Rejects with FILE_NOT_WRITTEN, and as `embed` does. @param count Of the samples, evenly spread */
export async function writeProjector(
  folder: string,
  model: Model,
  samples: Samples,
  count: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const shown = spreadOf(samples, count);
  const { data, shape } = await model.embed(imagesOf(shown), { ...(signal && { signal }) });
  const write = (name: string, content: string | Uint8Array) =>
    writeAside(join(folder, name), async (file) => {
      await file.writeFile(content);
    });
  await write(TENSORS, tensorsOf(data, shape[1]));
  await write(METADATA, metadataOf(shown, model.classNames));
  const sprite = await spriteOf(shown, signal);
  if (sprite !== undefined) await write(SPRITE, sprite.png);
  await write(CONFIG, configOf(shape, sprite?.size));
}

function tensorsOf(data: Float32Array, size: number): string {
  let text = '';
  for (let row = 0; row < data.length; row += size) text += `${data.subarray(row, row + size).join('\t')}\n`;
  return text;
}

/** Of several columns the first line has the names. */
function metadataOf(samples: Samples, classNames: readonly string[]): string {
  const labels = labelsOf(samples);
  const rows = Array.from(labels, (label, row) => `${plain(classNames[label]!)}\t${samples.numbers[row]}\n`);
  return `class\timage\n${rows.join('')}`;
}

/** A name may have whatever characters it likes. */
const plain = (name: string) => name.replaceAll(/[\t\r\n]+/g, ' ');

interface Sprite {
  readonly png: Uint8Array;
  /** Of each image */
  readonly size: readonly [width: number, height: number];
}

/** Row by row in a square of images; undefined where they are no pictures. */
async function spriteOf(samples: Samples, signal: AbortSignal | undefined): Promise<Sprite | undefined> {
  const [H, W, C] = imageSize(samples.images);
  if (!PICTURE_CHANNELS.includes(C)) return undefined;
  const channels = C as 1 | 3 | 4;
  const factor = Math.min(1, LONGEST / Math.max(H, W));
  const [width, height] = [Math.max(1, Math.round(W * factor)), Math.max(1, Math.round(H * factor))];
  const columns = Math.ceil(Math.sqrt(samples.numbers.length));
  const pixels = Buffer.alloc(columns * width * columns * height * channels);
  for (const [place, number] of samples.numbers.entries()) {
    signal?.throwIfAborted();
    const image = await sharp()(pixelsOf(samples.images, number), { raw: { width: W, height: H, channels } })
      .resize({ width, height, fit: 'fill' })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw()
      .toBuffer();
    const left = (place % columns) * width;
    const top = Math.floor(place / columns) * height;
    for (let y = 0; y < height; y++) {
      const to = ((top + y) * columns * width + left) * channels;
      image.copy(pixels, to, y * width * channels, (y + 1) * width * channels);
    }
  }
  const png = await sharp()(pixels, { raw: { width: columns * width, height: columns * height, channels } })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .png({ compressionLevel: 9 })
    .toBuffer();
  return { png, size: [width, height] };
}

/** A ProjectorConfig (tensorboard/plugins/projector/projector_config.proto) in protobuf's text form. */
function configOf([count, size]: readonly [number, number], sprite: Sprite['size'] | undefined): string {
  const picture =
    sprite === undefined
      ? ''
      : `  sprite {\n    image_path: "${SPRITE}"\n    single_image_dim: ${sprite[0]}\n    single_image_dim: ${sprite[1]}\n  }\n`;
  return `embeddings {
  tensor_name: "embeddings"
  tensor_path: "${TENSORS}"
  metadata_path: "${METADATA}"
  tensor_shape: ${count}
  tensor_shape: ${size}
${picture}}
`;
}
