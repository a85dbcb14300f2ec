import type { Note } from '../../base/note.js';

/** A picture in a file, and its class. */
export interface LabelledFile {
  readonly file: string;
  readonly label: number;
}

/** What a data set of pictures is made of, before any is decoded. */
export interface PictureList {
  readonly name: string;
  /** The folder, or the file, that they are of. */
  readonly root: string;
  readonly classNames: readonly string[];
  readonly train: readonly LabelledFile[];
  readonly test: readonly LabelledFile[];
  /** The options by which they were divided: each division is kept decoded on its own. */
  readonly division?: object;
  readonly notes: readonly Note[];
}
