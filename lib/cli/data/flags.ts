/** Options of data that lies in files, as flags. */
import { CIFAR_100_OPTIONS } from '../../data/formats/cifar.js';
import { EMNIST_OPTIONS } from '../../data/formats/emnist.js';
import { IMAGE_FOLDER_OPTIONS } from '../../data/formats/imageFolder.js';
import { PICTURE_LIST_OPTIONS } from '../../data/formats/pictureListFile.js';
import type { DataPath } from '../../data/index.js';
import type { Flag } from '../arguments.js';
import { flagsOf } from '../flags.js';

const { resize, background, cache, seed, test, minPerClass, size, channels } = IMAGE_FOLDER_OPTIONS;

/** Without those that `train` has for its model: how pictures are brought to size. */
export const DATA_FLAGS: readonly Flag[] = flagsOf(
  {
    size,
    channels,
    test,
    minPerClass,
    seed: { ...seed, flag: 'dataSeed' },
    cache,
    root: {
      ...PICTURE_LIST_OPTIONS.root,
      flag: 'dataRoot',
      help: `lists: ${PICTURE_LIST_OPTIONS.root.help}`,
    },
    labels: { ...CIFAR_100_OPTIONS.labels, help: `CIFAR-100, ${CIFAR_100_OPTIONS.labels.help}` },
    split: { ...EMNIST_OPTIONS.split, flag: 'emnistSplit', help: `EMNIST: ${EMNIST_OPTIONS.split.help}` },
  },
  { to: 'dataOptions.' },
);

export const SIZE_FLAGS: readonly Flag[] = flagsOf({ resize, background }, { to: 'dataOptions.' });

/** The option `data` of a path, or a name, and the options beside it. */
export function dataOption(
  data: string | undefined,
  options: object | undefined,
): string | DataPath | undefined {
  return options === undefined || data === undefined ? data : ({ path: data, ...options } as DataPath);
}
