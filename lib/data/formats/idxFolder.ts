import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidOption, MarginCoreError } from '../../base/errors.js';
import { unreadable } from '../../files/readBytes.js';
import type { Listing } from './format.js';
import type { SplitFiles } from './idx.js';

/** The beginning of MNIST's file names, by split. */
const PREFIXES = { train: 'train', test: 't10k' } as const;
type SplitName = keyof typeof PREFIXES;
type Content = 'images' | 'labels';

/** A folder of IDX files with MNIST's names, as it was when it was opened. */
export class IdxFolder {
  private constructor(
    private readonly path: string,
    private readonly present: ReadonlySet<string>,
  ) {}

  static async open(path: string): Promise<IdxFolder> {
    if (typeof path !== 'string' || path === '') {
      throw invalidOption('the data folder', 'the path of a folder of IDX files', path);
    }
    try {
      return new IdxFolder(path, new Set(await readdir(path)));
    } catch (error) {
      throw unreadable(path, error);
    }
  }

  /** True when any file of the split is there: then `files` demands the other one too. */
  has(split: SplitName): boolean {
    return [...spellings(split, 'images'), ...spellings(split, 'labels')].some((name) =>
      this.present.has(name),
    );
  }

  files(split: SplitName): SplitFiles {
    return { images: this.file(split, 'images'), labels: this.file(split, 'labels') };
  }

  private file(split: SplitName, content: Content): string {
    const names = spellings(split, content);
    const name = names.find((candidate) => this.present.has(candidate));
    if (name !== undefined) return join(this.path, name);
    throw new MarginCoreError(
      'FILE_NOT_FOUND',
      `${this.path}: expected a file of ${split} ${content}, found none of ${names.join(', ')}`,
      { details: { path: this.path, names } },
    );
  }
}

/** In order of preference: the published name, then one that is also in use; each plain, then gzipped. */
function spellings(split: SplitName, content: Content): string[] {
  const stem = `${PREFIXES[split]}-${content}`;
  const type = content === 'images' ? 'idx3-ubyte' : 'idx1-ubyte';
  return [`${stem}-${type}`, `${stem}.${type}`].flatMap((name) => [name, `${name}.gz`]);
}

export function isIdxFolder({ files }: Listing): boolean {
  const splits = Object.keys(PREFIXES) as SplitName[];
  const known = splits.flatMap((split) => [...spellings(split, 'images'), ...spellings(split, 'labels')]);
  return known.some((name) => files.has(name));
}
