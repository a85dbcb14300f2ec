/** Any data set as a packed file. */
import { checkOptions } from '../base/optionTable.js';
import type { Loading } from './loading.js';
import { writePacked } from './packed/packedFile.js';
import { packPictures } from './pictures/loadPictures.js';
import { PICTURE_OPTIONS, withLoading } from './pictures/options.js';
import { pixelsOf } from './pixels.js';
import { listPicturesNamed, loadDataNamed } from './sets/index.js';
import type { Dataset } from './types.js';

/** Images at once: some megabytes, unless they are large. */
const PIECE = 256;

/**
 * Writes a data set, by its name or path, into a file that is ready to be trained on: `datasets.packed(file)`, or its path as data. Rejects as
 * loading it does, and with FILE_NOT_WRITTEN.
 */
export async function packData(name: string, file: string, loading: Loading = {}): Promise<void> {
  const { options = {}, progress } = loading;
  const list = await listPicturesNamed(name, options);
  if (list === undefined) return packArrays(file, await loadDataNamed(name, loading));
  const given = withLoading(options, loading);
  const own = Object.entries(given).filter(([option]) => Object.hasOwn(PICTURE_OPTIONS, option));
  const settings = checkOptions(Object.fromEntries(own), undefined, PICTURE_OPTIONS);
  return packPictures(file, list, settings, progress && { progress });
}

async function packArrays(file: string, { train, test, ...about }: Dataset): Promise<void> {
  const [, H, W, C] = train.images.shape;
  const splits = test ? [train, test] : [train];
  async function* images() {
    for (const split of splits) {
      const count = split.images.shape[0];
      for (let first = 0; first < count; first += PIECE) {
        yield pixelsOf(split.images, first, Math.min(PIECE, count - first));
      }
    }
  }
  const { name, classNames, preprocessing, notes = [] } = about;
  const labels = Int32Array.from(splits.flatMap((split) => Array.from(split.labels)));
  await writePacked(
    file,
    { size: [H, W, C], labels, images },
    { ...{ name, classNames, train: train.labels.length, notes }, ...(preprocessing && { preprocessing }) },
  );
}
