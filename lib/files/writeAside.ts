/** Files that are there whole or not at all, whatever ends the process or fills the disk meanwhile. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MarginCoreError } from '../base/errors.js';

/** Ends the name of what is being written: a process that was killed leaves such files behind. */
const ASIDE = '.part';

const REASONS: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'it would be larger than files may be',
  EACCES: 'the permissions of this process do not allow it',
  EPERM: 'the permissions of this process do not allow it',
  EROFS: 'the file system can only be read',
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'its path leads through a file',
  EISDIR: 'a folder has that name',
  EEXIST: 'a file has the name of its folder',
};

/**
 * Lets `write` fill a file beside the path, brings it to the disk and gives it its name. Rejects with FILE_NOT_WRITTEN where that
 * cannot be done; what stood there before is untouched then.
 */
export async function writeAside(given: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const { path, mode } = await targetOf(given);
  const folder = dirname(path);
  const aside = join(folder, `.${basename(path)}.${randomUUID()}${ASIDE}`);
  try {
    const file = await open(aside, 'wx', mode);
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true }).catch(() => undefined);
    throw notWritten(path, error);
  }
  // Not every file system can do that, and the file is there.
  await syncFolder(folder).catch(() => undefined);
}

/**
 * A write may end early, where the disk is nearly full say; the next one says why.
 * @param position In the file; default: where the last one ended
 */
export async function writeWhole(file: FileHandle, bytes: Uint8Array, position?: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const at = position === undefined ? null : position + done;
    done += (await file.write(bytes, done, bytes.length - done, at)).bytesWritten;
  }
}

/** A link is kept, and what it names replaced; a device or a pipe, such as /dev/null, must not become a file. */
async function targetOf(given: string): Promise<{ path: string; mode?: number }> {
  const path = await realpath(given).catch(() => given);
  const existing = await stat(path).catch(() => undefined);
  if (existing === undefined) return { path };
  if (existing.isFile()) return { path, mode: existing.mode & 0o7777 };
  const what = existing.isDirectory() ? REASONS.EISDIR! : 'it is a device, a pipe or a socket';
  throw new MarginCoreError('FILE_NOT_WRITTEN', `${given} cannot be written: ${what}`, {
    details: { path: given },
  });
}

/** The name itself is on the disk only then. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What the file system says, as FILE_NOT_WRITTEN; anything else is the writer's own. */
export function notWritten(path: string, error: unknown): unknown {
  const { code, syscall, message } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
  if (error instanceof MarginCoreError || syscall === undefined) return error;
  const reason = (code && REASONS[code]) ?? message;
  return new MarginCoreError('FILE_NOT_WRITTEN', `${path} cannot be written: ${reason}`, {
    cause: error,
    details: { path, ...(code !== undefined && { reason: code }) },
  });
}
