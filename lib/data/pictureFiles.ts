/** Files that are pictures, by their names. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { MarginCoreError } from '../base/errors.js';
import { unreadable } from '../files/readBytes.js';

const ENDINGS = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif', '.pgm', '.ppm'];

/** Of pictures that cannot be decoded here: to pass over them would be to train on fewer than there are. */
const FOREIGN_ENDINGS = ['.bmp', '.heic', '.heif', '.jp2', '.jxl', '.psd', '.svg', '.tga', '.pbm', '.pnm'];

/** The file itself, or the pictures in a folder and the folders within, by name. Rejects with FILE_NOT_FOUND. */
export async function pictureFiles(path: string): Promise<string[]> {
  const found = await stat(path).catch((error) => {
    throw unreadable(path, error);
  });
  if (!found.isDirectory()) return [path];
  const pictures = await picturesIn(path);
  if (pictures.length > 0) return pictures;
  throw none(path, 'has no pictures');
}

/**
 * The pictures in a folder and the folders within, links followed, by name; hidden ones are passed over. Rejects with FILE_NOT_FOUND for
 * what cannot be read, with INVALID_DATA for a link that leads back to a folder around it, and with UNSUPPORTED for a kind of picture
 * that cannot be decoded.
 */
export async function picturesIn(folder: string): Promise<string[]> {
  return (await walk(folder, [])).sort();
}

async function walk(folder: string, around: readonly string[]): Promise<string[]> {
  const { files, folders } = await listFolder(folder);
  const real = await realpath(folder);
  if (around.some((each) => each === real || each.startsWith(`${real}/`))) {
    throw new MarginCoreError(
      'INVALID_DATA',
      `${folder} is a link that leads back to ${real}, in which it lies`,
      {
        details: { path: folder },
      },
    );
  }
  const foreign = files.find((name) => FOREIGN_ENDINGS.includes(endingOf(name)));
  if (foreign !== undefined) {
    throw new MarginCoreError(
      'UNSUPPORTED',
      `${join(folder, foreign)}: pictures of this kind are not decoded (${ENDINGS.join(', ')} are): convert it, or take it away`,
      { details: { path: join(folder, foreign) } },
    );
  }
  const pictures = files.filter(isPicture).map((name) => join(folder, name));
  for (const name of folders) pictures.push(...(await walk(join(folder, name), [...around, real])));
  return pictures;
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
  return (await listFolder(path)).folders;
}

/** Names of what is in a folder, sorted, but for what is hidden. Rejects with FILE_NOT_FOUND. */
export async function listFolder(path: string): Promise<{ files: string[]; folders: string[] }> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error) => {
    throw unreadable(path, error);
  });
  const files: string[] = [];
  const folders: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const kind = entry.isSymbolicLink() ? await kindOf(join(path, entry.name)) : entry;
    if (kind.isDirectory()) folders.push(entry.name);
    else if (kind.isFile()) files.push(entry.name); // a pipe would be waited for, whatever it is called
  }
  return { files: files.sort(), folders: folders.sort() };
}

const endingOf = (name: string) => extname(name).toLowerCase();

const isPicture = (name: string) => ENDINGS.includes(endingOf(name));

/** Of a link; one to nothing counts as a file: whoever reads it says so. */
const kindOf = (link: string) => stat(link).catch(() => ({ isDirectory: () => false, isFile: () => true }));

export const none = (path: string, what: string) =>
  new MarginCoreError('FILE_NOT_FOUND', `${path} ${what} (${ENDINGS.join(', ')})`, { details: { path } });
