/** Some samples of a split, by their numbers: nothing is copied until pixels are asked for. */
import { MarginCoreError } from '../base/errors.js';
import { pixelsOf } from './pixels.js';
import type { ImageArray, Split } from './types.js';

export interface Samples extends Split {
  /** Which of the images, in this order. */
  readonly numbers: Int32Array;
}

export function allOf(split: Split): Samples {
  return { ...split, numbers: Int32Array.from({ length: split.labels.length }, (_, number) => number) };
}

/** Samples number `first` to before `end` among these. */
export function rangeOf(samples: Samples, first: number, end: number): Samples {
  return { ...samples, numbers: samples.numbers.subarray(first, end) };
}

/** At most `count` of them, evenly spread, so that data sorted by class gives all classes. */
export function spreadOf(samples: Samples, count: number): Samples {
  const total = samples.numbers.length;
  const size = Math.min(count, total);
  const numbers = Int32Array.from(
    { length: size },
    (_, index) => samples.numbers[Math.floor((index * total) / size)]!,
  );
  return { ...samples, numbers };
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
