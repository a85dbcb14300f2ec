/** What a model is most confidently wrong about, as a page of pictures. */
import { checkSignal, checkText } from '../../base/check.js';
import { checkOptions, integer, option } from '../../base/optionTable.js';
import { checkSplitOfSize } from '../../data/imageSize.js';
import { areSameImages } from '../../data/pixels.js';
import { allOf, imagesOf, labelsOf, rangeOf, type Samples } from '../../data/samples.js';
import type { SplitInput } from '../../data/types.js';
import { confusedPairs, findMistakes, type Mistake, mostConfidentFirst } from '../../metrics/mistakes.js';
import type { Model } from '../../model/model.js';
import { type Device, PLACEMENT_OPTIONS } from '../../native/backends.js';
import { neighboursOf } from './neighbours.js';
import { contactSheetPage } from './page.js';
import { pictureUris, requirePictures } from './pictures.js';
import type { ContactSheet } from './sheet.js';

export const CONTACT_SHEET_OPTIONS = {
  top: integer('how many mistakes are shown', { default: 60, min: 1 }),
  neighbours: integer('how many nearest neighbours of each', { default: 8, min: 0 }),
} as const;

const OPTIONS = {
  ...CONTACT_SHEET_OPTIONS,
  ...PLACEMENT_OPTIONS,
  among: option('', (value) => value as SplitInput), // checked against the model, as the split is
  title: option('', checkText, { default: 'Mistakes' }),
  signal: option('', checkSignal),
} as const;

/** What `contactSheet` shows. */
export interface ContactSheetOptions {
  /** How many mistakes are shown. Default 60 */
  readonly top?: number;
  /** How many nearest neighbours of each; 0 for none. Default 8 */
  readonly neighbours?: number;
  /** Whose samples the neighbours are, such as the training images. Default: the other samples of the split */
  readonly among?: SplitInput;
  /** Of the page. Default 'Mistakes' */
  readonly title?: string;
  /** Where neighbours are searched for. Default 'auto' */
  readonly device?: Device;
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/** Numbers of one array of probabilities, 64 MB */
const MOST_PROBABILITIES = 2 ** 24;

/**
 * The samples that the model is most confidently wrong about, by how much more probable the wrong class is than the label; with
 * pictures, and the nearest other samples by the cosine of their embeddings. A sample among neighbours that all have the
 * predicted class may well be labelled wrongly.
 * @throws SHAPE_MISMATCH for images of another size than in training, INVALID_DATA for labels out of range, UNSUPPORTED
 *   for images of other than 1, 3 or 4 channels.
 */
export async function contactSheet(
  model: Model,
  split: SplitInput,
  options: ContactSheetOptions = {},
): Promise<ContactSheet> {
  const checked = checkOptions(options, undefined, OPTIONS);
  const { top, neighbours: count, among, title, signal, ...placement } = checked;
  requirePictures(model.input);
  const checkedSplit = (given: SplitInput, name: string) =>
    allOf(checkSplitOfSize(given, model.input, model.classNames.length, name));
  const samples = checkedSplit(split, 'split');
  const others = among === undefined ? samples : checkedSplit(among, 'among');

  const all = mostConfidentFirst(await mistakesOf(model, samples, signal));
  const mistakes = all.slice(0, top);
  const numbers = Int32Array.from(mistakes, ({ sample }) => sample);
  const neighbours =
    count === 0 || numbers.length === 0
      ? mistakes.map(() => [])
      : await neighboursOf({ ...samples, numbers }, others, {
          ...{ model, count, signal, ...placement },
          isSameSplit: areSameImages(others.images, samples.images),
        });
  const shown = mistakes.map((mistake, place) => ({ ...mistake, neighbours: neighbours[place]! }));
  const summary = {
    images: samples.numbers.length,
    accuracy: 1 - all.length / samples.numbers.length,
    mistakeCount: all.length,
    confusedPairs: confusedPairs(all),
    mistakes: shown,
  };
  const html = contactSheetPage({
    ...{ ...summary, title, classNames: model.classNames },
    pictures: await pictureUris(samples.images, numbers, signal),
    neighbourPictures: await pictureUris(
      others.images,
      neighbours.flatMap((row) => row.map(({ sample }) => sample)),
      signal,
    ),
  });
  return { ...summary, html };
}

/** In parts, since probabilities of many samples and classes would be much memory. */
async function mistakesOf(
  model: Model,
  samples: Samples,
  signal: AbortSignal | undefined,
): Promise<Mistake[]> {
  const numClasses = model.classNames.length;
  const most = Math.max(1, Math.floor(MOST_PROBABILITIES / numClasses));
  const parts: Mistake[][] = [];
  for (let first = 0; first < samples.numbers.length; first += most) {
    const part = rangeOf(samples, first, first + most);
    const prediction = await model.predict(imagesOf(part), signal && { signal });
    parts.push(findMistakes(prediction, labelsOf(part), numClasses, first));
  }
  return parts.flat();
}
