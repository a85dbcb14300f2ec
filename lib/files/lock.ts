/**
 * A folder's or a file's lock: the system's own, on a file that is open, so it ends with the process however that ends. It
 * holds between processes, and between two of one.
 */
import { closeSync, ftruncateSync, open, readSync, writeSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type ErrorCode, MarginCoreError } from '../base/errors.js';
import { callNative, native } from '../native/load.js';
import { notWritten } from './writeAside.js';

export interface Lock {
  release(): void;
}

/** Rejects with FOLDER_IN_USE, naming who has it. */
export function lockFolder(folder: string): Promise<Lock> {
  return lock(join(folder, '.lock'), (owner) =>
    inUse('FOLDER_IN_USE', folder, owner, "two runs would overwrite each other's checkpoints"),
  );
}

/**
 * For whoever reads a file, changes what is in it, and writes it anew; the file need not be there yet. It is another that is
 * locked, since writing anew replaces the file. Rejects with FILE_IN_USE, naming who has it.
 */
export async function lockFile(given: string): Promise<Lock> {
  const path = await realpath(given).catch(() => resolve(given));
  return await lock(join(dirname(path), `.${basename(path)}.lock`), (owner) =>
    inUse('FILE_IN_USE', given, owner, 'what one of two writes would be lost to the other'),
  );
}

async function lock(path: string, refuse: (owner: string) => MarginCoreError): Promise<Lock> {
  const file = await promisify(open)(path, 'a+').catch((error) => {
    throw notWritten(path, error);
  });
  try {
    if (!callNative(() => native().lockFile(file))) throw refuse(ownerIn(file));
    sign(file);
  } catch (error) {
    closeSync(file);
    throw error;
  }
  // The file stays: whoever removed it would remove the next one's lock.
  return { release: () => closeSync(file) };
}

/** The lock holds without its owner's name, where the disk is full say. */
function sign(file: number): void {
  try {
    ftruncateSync(file, 0);
    writeSync(file, `process ${process.pid} on ${hostname()} since ${new Date().toISOString()}\n`);
  } catch {}
}

function ownerIn(file: number): string {
  const text = Buffer.alloc(200);
  const length = readSync(file, text, 0, text.length, 0);
  return text.toString('utf8', 0, length).trim() || 'another process';
}

function inUse(code: ErrorCode, path: string, owner: string, why: string): MarginCoreError {
  return new MarginCoreError(code, `${path} is in use by ${owner}: ${why}`, { details: { path, owner } });
}
