/** Parsers of what strangers send. Whatever the bytes: they are taken, or refused with a code of ours. */
import { writeFile } from 'node:fs/promises';
import { MarginCoreError } from '../../lib/base/errors.js';
import { usingFile } from '../../lib/files/tensorFile.js';
import { Gallery, Model } from '../../lib/index.js';

export interface Target {
  readonly name: string;
  /** @param path Of a file that may be written */
  parse(bytes: Buffer, path: string): Promise<void>;
}

export const TARGETS: readonly Target[] = [
  {
    name: 'tensor files',
    async parse(bytes, path) {
      await writeFile(path, bytes);
      await usingFile(path, async (file) => {
        for (const name of file.tensors.keys()) await file.floats(name);
      });
    },
  },
  {
    name: 'model files',
    async parse(bytes, path) {
      await writeFile(path, bytes);
      (await Model.load(path, { device: 'cpu', threads: 1 })).dispose();
    },
  },
  {
    name: 'gallery files',
    async parse(bytes, path) {
      await writeFile(path, bytes);
      (await Gallery.load(path, { device: 'cpu', threads: 1 })).dispose();
    },
  },
];

/** Refusals that a file deserves. */
const DESERVED = ['FILE_CORRUPT', 'NEWER_VERSION'];

/** Rejects for whatever a parser must not do. */
export async function expectTakenOrRefused(target: Target, bytes: Buffer, path: string): Promise<void> {
  try {
    await target.parse(bytes, path);
  } catch (error) {
    if (error instanceof MarginCoreError && DESERVED.includes(error.code)) return;
    throw error;
  }
}
