/** Files that a command writes once its work is done, looked at before the work begins. */
import type { Stats } from 'node:fs';
import { access, constants, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { invalidOption } from '../base/errors.js';
import { writeAside } from '../files/writeAside.js';

/** Writes the result to the place that was prepared for it. */
export type Output<T> = (result: T) => Promise<void>;

/** Standard output for '-', otherwise a file, as in `prepareFile`. */
export async function prepareJson(path: string): Promise<Output<object>> {
  const write = path === '-' ? writeToStandardOutput : await prepareFile(path, '--json');
  return (result) => write(toJson(result));
}

/** As `prepareFile`, for what writes the file itself: the path to write, which names no link. */
export async function fileToWrite(path: string, flag: string): Promise<string> {
  return await looking(path, flag, async (target, existing) => {
    if (existing && !existing.isFile()) throw new Error('It is no regular file');
    return target;
  });
}

/**
 * Throws INVALID_OPTION for a path that cannot be written, so that hours of training are not lost to it.
 * @param flag for the message
 */
export async function prepareFile(path: string, flag: string): Promise<Output<string>> {
  return await looking(path, flag, async (target, existing) => {
    // A device or a pipe, such as /dev/null, must not be replaced by a file.
    if (existing && !existing.isFile()) return (text: string) => writeFile(target, text);
    return (text: string) =>
      writeAside(target, async (file) => {
        await file.writeFile(text);
      });
  });
}

async function looking<T>(
  path: string,
  flag: string,
  use: (target: string, existing: Stats | undefined) => Promise<T>,
): Promise<T> {
  try {
    const target = await realpath(path).catch(() => resolve(path)); // a link is kept, and what it names replaced
    const existing = await stat(target).catch(() => undefined);
    if (existing?.isDirectory()) throw new Error('It is a folder');
    if (existing) await access(target, constants.W_OK);
    if (!existing || existing.isFile()) await access(dirname(target), constants.W_OK | constants.X_OK);
    return await use(target, existing);
  } catch (error) {
    throw invalidOption(flag, 'a file that can be written', path, (error as Error).message);
  }
}

/** Indented; typed arrays become plain ones. */
function toJson(value: object): string {
  const plain = (_key: string, part: unknown) =>
    ArrayBuffer.isView(part) ? Array.from(part as Float32Array) : part;
  return `${JSON.stringify(value, plain, 2)}\n`;
}

function writeToStandardOutput(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
