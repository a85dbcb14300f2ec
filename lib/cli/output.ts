/** Files that a command writes once its work is done, looked at before the work begins. */
import { access, constants, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { invalidOption } from '../base/errors.js';

/** Writes the result to the place that was prepared for it. */
export type Output<T> = (result: T) => Promise<void>;

/** Standard output for '-', otherwise a file, as in `prepareFile`. */
export async function prepareJson(path: string): Promise<Output<object>> {
  const write = path === '-' ? writeToStandardOutput : await prepareFile(path, '--json');
  return (result) => write(toJson(result));
}

/**
 * Throws INVALID_OPTION for a path that cannot be written, so that hours of training are not lost to it.
 * @param flag for the message
 */
export async function prepareFile(path: string, flag: string): Promise<Output<string>> {
  try {
    const target = await realpath(path).catch(() => resolve(path)); // a link is kept, and what it names replaced
    const existing = await stat(target).catch(() => undefined);
    if (existing?.isDirectory()) throw new Error('It is a folder');
    if (existing) await access(target, constants.W_OK);
    // A device or a pipe, such as /dev/null, must not be replaced by a file.
    if (existing && !existing.isFile()) return (text) => writeFile(target, text);
    await access(dirname(target), constants.W_OK | constants.X_OK);
    return (text) => replaceFile(target, text);
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

/** Written aside and renamed: whoever reads the file meanwhile sees the old one or the new one, whole. */
async function replaceFile(path: string, text: string): Promise<void> {
  const aside = `${path}.${process.pid}.part`;
  try {
    await writeFile(aside, text);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

function writeToStandardOutput(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
