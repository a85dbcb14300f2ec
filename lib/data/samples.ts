/** Some samples of a split, by their numbers: nothing is copied until pixels are asked for. */
import { MarginCoreError } from '../base/errors.js';
import { ChosenImages } from './chosenImages.js';
import { pixelsOf } from './pixels.js';
import type { ImageArray, Split } from './types.js';

export interface Samples extends Split {
  /** Which of the images, in this order. */
  readonly numbers: Int32Array;
}

export function allOf(split: Split): Samples {
  return { ...split, numbers: Int32Array.from({ length: split.labels.length }, (_, number) => number) };
}

/** The same samples by the numbers of those images that theirs are chosen from, where they are. */
export function inSource(samples: Samples): Samples {
  const { images, labels, numbers } = samples;
  if (!(images instanceof ChosenImages)) return samples;
  const labelsInSource = new Int32Array(images.source.shape[0]);
  for (const [place, number] of images.numbers.entries()) labelsInSource[number] = labels[place]!;
  return {
    images: images.source,
    labels: labelsInSource,
    numbers: numbers.map((number) => images.numbers[number]!),
  };
}

/**
 * Places in a list of labels in the order of their classes, those of each class in their own: class c has `order[starts[c]]` to before
 * `order[starts[c + 1]]`.
 */
export function sortedByClass(
  labels: Int32Array,
  numClasses: number,
): { order: Int32Array; starts: Int32Array } {
  const starts = new Int32Array(numClasses + 1);
  for (const label of labels) starts[label + 1]!++;
  for (let label = 0; label < numClasses; label++) starts[label + 1]! += starts[label]!;
  const next = starts.slice();
  const order = new Int32Array(labels.length);
  for (const [place, label] of labels.entries()) order[next[label]!++] = place;
  return { order, starts };
}

/** These samples as a split of their own. No pixel is copied. */
export const chosen = ({ images, labels }: Split, numbers: Int32Array): Split => ({
  images: ChosenImages.of(images, numbers),
  labels: labelsOf({ images, labels, numbers }),
});

/** Samples number `first` to before `end` among these. */
export function rangeOf(samples: Samples, first: number, end: number): Samples {
  return { ...samples, numbers: samples.numbers.subarray(first, end) };
}

/** At most `count` of them, evenly spread, so that data sorted by class gives all classes. */
export function spreadOf(samples: Samples, count: number): Samples {
  return { ...samples, numbers: spread(samples.numbers, count) };
}

/** At most `count`, evenly spread. */
export function spread(numbers: Int32Array, count: number): Int32Array {
  const total = numbers.length;
  const size = Math.min(count, total);
  return Int32Array.from({ length: size }, (_, index) => numbers[Math.floor((index * total) / size)]!);
}

export function labelsOf({ labels, numbers }: Samples): Int32Array {
  return numbers.map((number) => labels[number]!);
}

/**
 * A view where the numbers follow one another, otherwise a copy. Throws INVALID_DATA where the array's memory was
 * transferred away meanwhile.
 */
export function imagesOf({ images, numbers }: Samples): ImageArray {
  const [, H, W, C] = images.shape;
  const shape: ImageArray['shape'] = [numbers.length, H, W, C];
  const first = numbers[0] ?? 0;
  if (numbers.every((number, index) => number === first + index)) {
    return { data: pixelsOf(images, first, numbers.length), shape };
  }
  const size = H * W * C;
  const data = new Uint8Array(numbers.length * size);
  numbers.forEach((number, index) => {
    data.set(pixelsOf(images, number), index * size);
  });
  return { data, shape };
}

/**
 * Holds out a fraction of every class, evenly spread over its samples in their order: the same data gives the same
 * division, whatever the seed.
 */
export function holdOut(
  split: Split,
  numClasses: number,
  fraction: number,
): { kept: Samples; heldOut: Samples } {
  const seen = new Uint32Array(numClasses);
  const kept: number[] = [];
  const heldOut: number[] = [];
  for (const [sample, label] of split.labels.entries()) {
    const rank = seen[label]!++;
    const isHeldOut = Math.floor((rank + 1) * fraction) > Math.floor(rank * fraction);
    (isHeldOut ? heldOut : kept).push(sample);
  }
  if (heldOut.length === 0) {
    throw new MarginCoreError(
      'INVALID_DATA',
      `validation: a fraction of ${fraction} holds out no image, since no class has ${Math.ceil(1 / fraction)}`,
      { details: { option: 'validation' } },
    );
  }
  return {
    kept: { ...split, numbers: Int32Array.from(kept) },
    heldOut: { ...split, numbers: Int32Array.from(heldOut) },
  };
}
