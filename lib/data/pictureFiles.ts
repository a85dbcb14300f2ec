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
  const pictures = names.filter(isPicture).sort();
  if (pictures.length > 0) return pictures.map((name) => join(path, name));
  throw none(path, 'has no pictures');
}

export interface ClassFolder {
  readonly name: string;
  readonly files: readonly string[];
}

/**
 * The folders in a folder, by name, each with the pictures in it and the folders within. Rejects with FILE_NOT_FOUND for a folder
 * without folders, one of which has no pictures.
 */
export async function classFolders(path: string): Promise<ClassFolder[]> {
  const names = await foldersIn(path);
  if (names.length === 0) throw none(path, 'has no folders of pictures');
  const folders: ClassFolder[] = [];
  for (const name of names) folders.push({ name, files: await pictureFiles(join(path, name)) });
  return folders;
}

/** Names of the folders in a folder, but for hidden ones. Rejects with FILE_NOT_FOUND. */
export async function foldersIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error) => {
    throw unreadable(path, error);
  });
  const names: string[] = [];
  for (const entry of entries) {
    // A link may be one to a folder.
    const isFolder =
      entry.isDirectory() || (entry.isSymbolicLink() && (await isDirectory(join(path, entry.name))));
    if (isFolder && !entry.name.startsWith('.')) names.push(entry.name);
  }
  return names.sort();
}

const isPicture = (name: string) => ENDINGS.includes(extname(name).toLowerCase());

const isDirectory = (path: string) =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

const none = (path: string, what: string) =>
  new MarginCoreError('FILE_NOT_FOUND', `${path} ${what} (${ENDINGS.join(', ')})`, { details: { path } });
