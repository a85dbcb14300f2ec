/** Where decoded pictures are kept, and how it is known whether they are still those of their folder. */
import { createHash } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { availableParallelism, homedir } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { unreadable } from '../../files/readBytes.js';
import { notWritten } from '../../files/writeAside.js';
import type { PictureList } from '../pictures/pictureList.js';

/** The way in which pictures are decoded and packed: another one makes what was packed before stale. */
const DECODER = 1;

export function cacheFolder(): string {
  const given = process.env.XDG_CACHE_HOME;
  // The specification has relative paths ignored.
  return join(given?.startsWith('/') ? given : join(homedir(), '.cache'), 'margincore');
}

/** The file for a folder of pictures and the settings that they are read with. */
export async function cacheFile(cache: string, root: string, settings: unknown): Promise<string> {
  await mkdir(cache, { recursive: true }).catch((error) => {
    throw notWritten(cache, error);
  });
  const place = createHash('sha256')
    .update(JSON.stringify([resolve(root), settings]))
    .digest('hex');
  return join(cache, `${basename(resolve(root))}-${place.slice(0, 16)}.safetensors`);
}

/** Another one for other files, of another size or time, other labels or another division. Rejects with FILE_NOT_FOUND. */
export async function keyOf({ root, classNames, train, test }: PictureList): Promise<string> {
  const all = [...train, ...test];
  const states: string[] = new Array(all.length);
  const waiting = all.entries();
  const work = async () => {
    for (const [index, { file, label }] of waiting) {
      const { size, mtimeMs } = await stat(file).catch((error) => {
        throw unreadable(file, error);
      });
      states[index] = JSON.stringify([relative(root, file), label, size, mtimeMs]);
    }
  };
  await Promise.all(Array.from({ length: 4 * availableParallelism() }, work));
  const hash = createHash('sha256').update(JSON.stringify([DECODER, classNames, train.length]));
  for (const state of states) hash.update(state).update('\n');
  return hash.digest('hex');
}
