import { linkSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { noise } from './noise.mjs';

const CLASSES = 10;
const DIFFERENT = 500; // files; the others are links to them, which are decoded like any

/** A folder of JPEGs of `side` × `side` in ten classes, from noise of 16 × 16 made larger. */
export async function writePhotographs(folder, count, side) {
  const originals = join(folder, '..', 'originals');
  mkdirSync(originals);
  const pixels = noise(DIFFERENT * 16 * 16 * 3);
  for (let i = 0; i < DIFFERENT; i++) {
    const small = pixels.subarray(i * 16 * 16 * 3, (i + 1) * 16 * 16 * 3);
    await sharp(small, { raw: { width: 16, height: 16, channels: 3 } })
      .resize(side, side, { kernel: 'cubic' })
      .jpeg({ quality: 85 })
      .toFile(join(originals, `${i}.jpg`));
  }
  for (let label = 0; label < CLASSES; label++)
    mkdirSync(join(folder, `class-${label}`), { recursive: true });
  for (let i = 0; i < count; i++)
    linkSync(join(originals, `${i % DIFFERENT}.jpg`), join(folder, `class-${i % CLASSES}`, `${i}.jpg`));
}
