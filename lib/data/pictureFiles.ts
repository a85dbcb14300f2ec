/** Files that are pictures, by their names. */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { MarginCoreError } from '../base/errors.js';
import { unreadable } from '../files/readBytes.js';

const ENDINGS = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif', '.pgm', '.ppm'];

/**
 * The file itself, or the pictures in a folder and the folders within, by name, but for hidden ones. Links to files are
 * followed, and of links to folders that which is given: others may lead back. Rejects with FILE_NOT_FOUND.
 */
export async function pictureFiles(path: string): Promise<string[]> {
  const found = await stat(path).catch((error) => {
    throw unreadable(path, error);
  });
  if (!found.isDirectory()) return [path];
  const pictures = await picturesIn(path);
  if (pictures.length > 0) return pictures.map((name) => join(path, name));
  throw none(path, 'has no pictures');
}

/** Their names from the folder on, in order. */
async function picturesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  const waiting = [''];
  for (const within of waiting) {
    for (const entry of await entriesOf(join(folder, within))) {
      const name = join(within, entry.name);
      if (entry.isDirectory()) waiting.push(name);
      else if (isPicture(name) && (await isFileOrLink(entry, join(folder, name)))) names.push(name);
    }
  }
  return names.sort();
}

/** What is in a folder, but for what is hidden: macOS puts a '._1.jpg' beside each 1.jpg that it copies to other disks. */
async function entriesOf(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
    throw unreadable(folder, error);
  });
  return entries.filter(({ name }) => !name.startsWith('.'));
}

export interface ClassFolder {
  readonly name: string;
  readonly files: readonly string[];
}

/**
 * The folders in a folder, by name, each with the pictures in it and the folders within. Rejects with FILE_NOT_FOUND for a folder
 * without folders, and for one of them without pictures.
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
  const names: string[] = [];
  for (const entry of await entriesOf(path)) {
    // A link may be one to a folder.
    const isFolder =
      entry.isDirectory() || (entry.isSymbolicLink() && (await isDirectory(join(path, entry.name))));
    if (isFolder) names.push(entry.name);
  }
  return names.sort();
}

const isPicture = (name: string) => ENDINGS.includes(extname(name).toLowerCase());

/** A pipe would be waited for, whatever it is called. */
const isFileOrLink = async (entry: Dirent, path: string) =>
  entry.isFile() || (entry.isSymbolicLink() && !(await isDirectory(path)));

const isDirectory = (path: string) =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

const none = (path: string, what: string) =>
  new MarginCoreError('FILE_NOT_FOUND', `${path} ${what} (${ENDINGS.join(', ')})`, { details: { path } });
