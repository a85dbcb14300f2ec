/**
 * A folder's lock: the system's own, on a file that is open, so it ends with the process however that ends. It holds
 * between processes, and between two runs of one.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { MarginCoreError } from '../base/errors.js';
import { callNative, native } from '../native/load.js';
import { notWritten } from './writeAside.js';

const NAME = '.lock';

export interface Lock {
  release(): Promise<void>;
}

/** Rejects with FOLDER_IN_USE, naming who has it. */
export async function lockFolder(folder: string): Promise<Lock> {
  const path = join(folder, NAME);
  const file = await open(path, 'a+').catch((error) => {
    throw notWritten(path, error);
  });
  try {
    if (!callNative(() => native().lockFile(file.fd))) throw await inUse(folder, file);
    // The lock holds without its owner's name, where the disk is full say.
    await file.truncate(0).catch(() => undefined);
    await file
      .write(`process ${process.pid} on ${hostname()} since ${new Date().toISOString()}\n`)
      .catch(() => undefined);
  } catch (error) {
    await file.close();
    throw error;
  }
  // The file stays: whoever removed it would remove the next one's lock.
  return { release: () => file.close() };
}

async function inUse(folder: string, file: FileHandle): Promise<MarginCoreError> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(200), 0, 200, 0);
  const owner = buffer.toString('utf8', 0, bytesRead).trim() || 'another run';
  return new MarginCoreError(
    'FOLDER_IN_USE',
    `${folder} is in use by ${owner}: two runs would overwrite each other's checkpoints`,
    { details: { path: folder, owner } },
  );
}
