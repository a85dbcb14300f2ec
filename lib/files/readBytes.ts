import { readFile } from 'node:fs/promises';
import { MarginCoreError } from '../base/errors.js';

const REASONS: Record<string, string> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'leads to or through a file where a folder was expected',
  EISDIR: 'is a folder, a file was expected',
  EACCES: 'may not be read with the permissions of this process',
  EPERM: 'may not be read with the permissions of this process',
};

export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

export const isFolder = (path: string): MarginCoreError =>
  new MarginCoreError('FILE_NOT_FOUND', `${path} ${REASONS.EISDIR}`, { details: { path } });

/** FILE_NOT_FOUND for whatever keeps a file or folder from being read. */
export function unreadable(path: string, error: unknown): MarginCoreError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = (code && REASONS[code]) ?? `cannot be read: ${message}`;
  return new MarginCoreError('FILE_NOT_FOUND', `${path} ${reason}`, { cause: error, details: { path } });
}
