import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import sharp from 'sharp';

export type Rgb = readonly [red: number, green: number, blue: number];

/** A PNG of one colour. */
export function plainPng([r, g, b]: Rgb, width = 4, height = width): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: { r, g, b } } })
    .png()
    .toBuffer();
}

/** Writes a file, and the folders that it lies in. */
export function writeInto(path: string, bytes: string | Uint8Array): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}
