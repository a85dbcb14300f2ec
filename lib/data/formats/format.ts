import type { Dataset } from '../types.js';

/** A way in which data lies in a folder. */
export interface FolderFormat {
  /** The files that tell it, for people: 'IDX files (train-images-idx3-ubyte, …)' */
  readonly files: string;
  /** Whether a folder with these files is meant to be one. */
  fits(names: ReadonlySet<string>): boolean;
  load(folder: string): Promise<Dataset>;
}
