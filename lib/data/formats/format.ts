import type { Loading } from '../loading.js';
import type { PictureList } from '../pictures/pictureList.js';
import type { Dataset } from '../types.js';

/** What lies in a folder, by name. */
export interface Listing {
  readonly files: ReadonlySet<string>;
  readonly folders: ReadonlySet<string>;
}

/** A way in which data lies in a folder. */
export interface FolderFormat {
  /** The files that tell it, for people: 'IDX files (train-images-idx3-ubyte, …)' */
  readonly files: string;
  /** Whether a folder with these in it is meant to be one. */
  fits(listing: Listing): boolean;
  /** With `loading.options`, which it checks. */
  load(folder: string, loading: Loading): Promise<Dataset>;
  /** Where it is one of pictures: them, before any is decoded. */
  list?(folder: string, options: object): Promise<PictureList>;
}
