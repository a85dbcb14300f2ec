import { join } from 'node:path';
import sharp from 'sharp';
import { writeInto } from './pictures.js';
import { randomNumbers } from './randomModel.js';

const GRID = 4;
const SIDE = 64;

/**
 * A folder for each name with so many JPEGs, `NAME/NAME_0001.jpg` and on as LFW has it. Those of a name show the same
 * coarse pattern of colours, each a little brighter or darker and with noise of its own.
 */
export async function writePictureFolders(
  folder: string,
  names: readonly string[],
  each: number,
): Promise<void> {
  for (const name of names) {
    for (let number = 1; number <= each; number++) {
      const file = `${name}_${String(number).padStart(4, '0')}.jpg`;
      writeInto(join(folder, name, file), await pictureOf(name, number));
    }
  }
}

/** A JPEG of that name's pattern. */
export function pictureOf(name: string, number: number): Promise<Buffer> {
  const seed = Array.from(name).reduce((sum, letter) => 31 * sum + letter.codePointAt(0)!, 7) % 2 ** 20;
  const cells = randomNumbers(3 * GRID ** 2, seed);
  const noise = randomNumbers(3 * SIDE ** 2 + 1, 1000 * seed + number);
  const shift = 20 * noise.at(-1)!;
  const pixels = Buffer.alloc(3 * SIDE ** 2);
  for (let at = 0; at < pixels.length; at++) {
    const [pixel, colour] = [Math.floor(at / 3), at % 3];
    const [row, column] = [Math.floor(pixel / SIDE), pixel % SIDE].map((place) =>
      Math.floor((place * GRID) / SIDE),
    );
    const value = 128 + 90 * cells[3 * (GRID * row! + column!) + colour]! + shift + 15 * noise[at]!;
    pixels[at] = Math.max(0, Math.min(255, Math.round(value)));
  }
  return sharp(pixels, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .jpeg()
    .toBuffer();
}
