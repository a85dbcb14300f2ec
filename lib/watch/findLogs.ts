/** Event files below a folder. */
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { MarginCoreError } from '../base/errors.js';
import { unreadable } from '../files/readBytes.js';
import { isEventFile } from '../logs/eventFile.js';

export interface FoundLogs {
  /** The sorted names of event files by the path of their folder from the first one, which is '.' itself */
  readonly files: ReadonlyMap<string, readonly string[]>;
  /** Folders that could not be read: FILE_NOT_FOUND */
  readonly faults: readonly MarginCoreError[];
}

/** Links are not followed: they may lead round in a circle, or out of the folder. */
export async function findLogs(root: string): Promise<FoundLogs> {
  const files = new Map<string, string[]>();
  const faults: MarginCoreError[] = [];
  const look = async (folder: string): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
      faults.push(unreadable(folder, error));
      return [];
    });
    const names = entries.filter((each) => each.isFile() && isEventFile(each.name)).map(({ name }) => name);
    if (names.length > 0) files.set(relative(root, folder) || '.', names.sort());
    for (const each of entries) if (each.isDirectory()) await look(join(folder, each.name));
  };
  await look(root);
  return { files, faults };
}
