/** Files that are pictures, by their names. */
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { MarginCoreError } from '../base/errors.js';
import { unreadable } from '../files/readBytes.js';

const ENDINGS = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif', '.pgm', '.ppm'];

/** The file itself, or the pictures in a folder and the folders within, by name. Rejects with FILE_NOT_FOUND. */
export async function pictureFiles(path: string): Promise<string[]> {
  const found = await stat(path).catch((error) => {
    throw unreadable(path, error);
  });
  if (!found.isDirectory()) return [path];
  const names = await readdir(path, { recursive: true });
  const pictures = names.filter((name) => ENDINGS.includes(extname(name).toLowerCase())).sort();
  if (pictures.length > 0) return pictures.map((name) => join(path, name));
  throw new MarginCoreError('FILE_NOT_FOUND', `${path} has no pictures (${ENDINGS.join(', ')})`, {
    details: { path },
  });
}
