/** Random changes of training images: how they are asked for, and what the core is told. native/base/augmentation.h carries them out. */
import { checkNumbers, checkObject, checkOneOf, type Range } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { type Notation, parseNumber } from '../base/notation.js';
import {
  type Checked,
  checkOptions,
  choice,
  integer,
  number,
  option,
  optionValues,
} from '../base/optionTable.js';
import type { ImageSize } from './imageSize.js';

/** Least and most; what is drawn is uniform between them, of ratios the logarithm. */
export type Interval = readonly [least: number, most: number];

/**
 * Random changes of training images, as torchvision's transforms define them, drawn anew in every epoch. In this order:
 * crop or resizedCrop, flip, then rotate, translate, scale and shear about the middle, in one bilinear step without antialiasing
 * (a shift by whole pixels copies them); brightness, contrast, saturation, grey, in 0…255; erase; and then `normalize`. A
 * sample's change follows from `seed`, the epoch and the sample's number alone.
 *
 * mixup and cutmix come last: each image takes a share of the one before it in its batch, the first one of the last, as
 * torchvision's MixUp and CutMix; a batch of one has nothing to take. The share is drawn for each sample, but what it takes
 * depends on the batch. The loss is that of both labels by their shares, and training accuracy counts the label with the larger
 * one. With both options, each sample takes one of them with probability 1/2.
 */
export interface AugmentOptions {
  /** Padding on all sides in pixels, of which a part of the image's size is cut out. Default 0. */
  crop?: number;
  /** What lies beyond the edges: black, or the image mirrored. Default 'zero'. */
  padding?: 'zero' | 'reflect';
  /** A part with this share of the image's area, in (0, 1], is cut out and brought to the image's size. Default: none. */
  resizedCrop?: Interval;
  /** Width by height of that part, above 0. Default [0.75, 4/3] */
  cropRatio?: Interval;
  /** Left and right exchanged: with probability 1/2, or in every second epoch. Default false. */
  flip?: boolean | 'alternating';
  /** Degrees at most, in [0, 180], to both sides. Default 0. */
  rotate?: number;
  /** Share of width and of height at most, in [0, 1]; rounded to whole pixels. Default 0. */
  translate?: number;
  /** Factors of both sides, above 0. Default [1, 1] */
  scale?: Interval;
  /** Degrees at most, in [0, 90), to both sides, along x. Default 0. */
  shear?: number;
  /** b: the factor lies in [max(0, 1 − b), 1 + b]. Default 0. */
  brightness?: number;
  /** As brightness, of the distance to the mean grey. Default 0. */
  contrast?: number;
  /** As brightness, of the distance to each pixel's grey. Default 0. */
  saturation?: number;
  /** Probability that an image loses its colours. Default 0. */
  grey?: number;
  /** Probability that a rectangle becomes black. Default 0. */
  erase?: number;
  /** Its share of the image's area, in (0, 1]. Default [0.02, 0.33] */
  eraseArea?: Interval;
  /** Its height by its width, above 0. Default [0.3, 3.3] */
  eraseRatio?: Interval;
  /** α: two images are blended, by shares from Beta(α, α) (Zhang et al. 2018); 1 is uniform. Default 0: off. */
  mixup?: number;
  /** The same share of the area is a rectangle of the other image (Yun et al. 2019). Default 0: off. */
  cutmix?: number;
}

/** 'cifar': crop 4, flip. 'imagenet': resizedCrop, flip, mild colours. 'faces': flip, small translate, rotate and scale. */
export type AugmentPolicy = 'none' | 'cifar' | 'imagenet' | 'faces';

/** A policy, or changes one by one. */
export type Augment = AugmentPolicy | AugmentOptions;

const interval = (help: string, fallback: Interval, range: Range, defaultText = fallback.join(' to ')) =>
  option(
    help,
    (value, name): Interval => {
      const [least, most] = checkNumbers(value, name, range, 2) as [number, number];
      if (least <= most) return [least, most];
      throw invalidOption(name, '[least, most]', value);
    },
    { default: fallback, defaultText },
  );

const probability = (help: string) => number(help, { default: 0, min: 0, max: 1 });
const spread = (help: string) => number(help, { default: 0, min: 0 });
const alpha = (help: string) => number(help, { default: 0, min: 0 });

function checkFlip(value: unknown, name: string): boolean | 'alternating' {
  if (value === 'alternating' || typeof value === 'boolean') return value;
  throw invalidOption(name, "true, false or 'alternating'", value);
}

export const AUGMENT_OPTIONS = {
  crop: integer('padding in pixels, of which a part of the size is cut out', { default: 0, min: 0 }),
  padding: choice('what lies beyond the edges', ['zero', 'reflect'], { default: 'zero' }),
  resizedCrop: interval(
    'share of the area that is cut out and brought to size',
    [1, 1],
    { above: 0, max: 1 },
    'none',
  ),
  cropRatio: interval('its width by its height', [0.75, 4 / 3], { above: 0 }, '3/4 to 4/3'),
  flip: option(
    "left and right exchanged: with probability 1/2, or in every second epoch ('alternating')",
    checkFlip,
    { default: false },
  ),
  rotate: number('degrees at most, to both sides', { default: 0, min: 0, max: 180 }),
  translate: number('share of width and height at most, in whole pixels', { default: 0, min: 0, max: 1 }),
  scale: interval('factors of both sides', [1, 1], { above: 0 }, 'none'),
  shear: number('degrees at most, to both sides, along x', { default: 0, min: 0, below: 90 }),
  brightness: spread('b: the factor lies in [max(0, 1 − b), 1 + b]'),
  contrast: spread('the same, of the distance to the mean grey'),
  saturation: spread("the same, of the distance to each pixel's grey"),
  grey: probability('probability that an image loses its colours'),
  erase: probability('probability that a rectangle becomes black'),
  eraseArea: interval('its share of the area', [0.02, 0.33], { above: 0, max: 1 }),
  eraseRatio: interval('its height by its width', [0.3, 3.3], { above: 0 }),
  mixup: alpha('α: two images of a batch and their labels are blended, by shares from Beta(α, α)'),
  cutmix: alpha('the same, with a rectangle of the one in the other'),
} as const;

const POLICIES: Readonly<Record<AugmentPolicy, AugmentOptions>> = {
  none: {},
  cifar: { crop: 4, flip: true },
  imagenet: {
    ...{ resizedCrop: [0.08, 1], flip: true },
    ...{ brightness: 0.2, contrast: 0.2, saturation: 0.2 },
  },
  faces: { flip: true, translate: 0.04, rotate: 5, scale: [0.95, 1.05] },
};
const NAMES = Object.keys(POLICIES) as AugmentPolicy[];

type Complete = Checked<typeof AUGMENT_OPTIONS>;

/** Changes that are made: options at their defaults are left out, so that equal ones look equal. */
export type CheckedAugment = Partial<Complete>;

/** Options that mean nothing without one of others. */
const NEEDED: Readonly<Partial<Record<keyof Complete, readonly (keyof Complete)[]>>> = {
  padding: ['crop', 'rotate', 'translate', 'scale', 'shear'],
  cropRatio: ['resizedCrop'],
  eraseArea: ['erase'],
  eraseRatio: ['erase'],
};

export function checkAugment(value: unknown, name: string): CheckedAugment {
  if (typeof value === 'string') return changesOf(POLICIES[checkOneOf(value, name, NAMES)]);
  const expected = `${NAMES.map((each) => `'${each}'`).join(', ')} or an object of options`;
  checkObject(value, name, expected);
  const changes = changesOf(checkOptions(value, name, AUGMENT_OPTIONS));
  if (changes.crop !== undefined && changes.resizedCrop !== undefined)
    throw invalidOption(`${name}.resizedCrop`, 'no value beside crop', changes.resizedCrop);
  for (const [each, others] of Object.entries(NEEDED) as [keyof Complete, (keyof Complete)[]][]) {
    if (changes[each] === undefined || others.some((other) => changes[other] !== undefined)) continue;
    throw invalidOption(`${name}.${each}`, `no value without ${others.join(', ')}`, changes[each]);
  }
  return changes;
}

function changesOf(given: AugmentOptions): CheckedAugment {
  const values = optionValues(AUGMENT_OPTIONS, given as Readonly<Record<string, unknown>>);
  const changes = Object.entries(values).filter(
    ([name, value]) => String(value) !== String(AUGMENT_OPTIONS[name as keyof Complete].default),
  );
  return Object.fromEntries(changes) as CheckedAugment;
}

/** Throws INVALID_OPTION for changes that images of this size do not allow. */
export function requireAugmentable(changes: CheckedAugment, [H, W, C]: ImageSize): void {
  const { crop = 0 } = changes;
  if (crop >= Math.min(H, W))
    throw invalidOption('augment.crop', `fewer pixels than the images have along a side (${H}×${W})`, crop);
  const colour = (['brightness', 'contrast', 'saturation', 'grey'] as const).find(
    (name) => changes[name] !== undefined,
  );
  if (colour !== undefined && C !== 1 && C !== 3)
    throw invalidOption(
      `augment.${colour}`,
      `no value for images of ${C} channels (colours are 1 or 3)`,
      changes[colour],
    );
}

/** A policy, or 'crop=4,flip,scale=0.9:1.1,padding=reflect'. */
export const AUGMENT_NOTATION: Notation = {
  form: `${NAMES.join('|')}|NAME=…,NAME,…`,
  words: NAMES,
  parse(given) {
    if (NAMES.includes(given as AugmentPolicy)) return given;
    const changes = given.split(',').map((change) => {
      const [name = '', value] = change.split('=', 2);
      return [name.trim(), value === undefined ? true : parseValue(value)] as const;
    });
    const isRead = changes.every(([name, value]) => name in AUGMENT_OPTIONS && value !== undefined);
    return isRead ? Object.fromEntries(changes) : undefined;
  },
};

function parseValue(given: string): unknown {
  if (given === 'true' || given === 'false') return given === 'true';
  const numbers = given.split(':').map(parseNumber);
  if (numbers.every((each) => each !== undefined)) return numbers.length === 1 ? numbers[0] : numbers;
  return /^[a-z]+$/.test(given) ? given : undefined;
}

const FLIPS = { false: 'none', true: 'random', alternating: 'alternating' } as const;

/** What the core takes: every value, by the names of native/spec/fields.h. */
export function nativeAugmentation(changes: CheckedAugment) {
  const { crop, flip, resizedCrop, cropRatio, scale, eraseArea, eraseRatio, ...same } = optionValues(
    AUGMENT_OPTIONS,
    changes,
  );
  const ends = <const N extends string>(name: N, [least, most]: Interval) =>
    ({ [`${name}Least`]: least, [`${name}Most`]: most }) as Record<`${N}${'Least' | 'Most'}`, number>;
  return {
    ...same,
    cropPadding: crop,
    flip: FLIPS[String(flip) as 'false' | 'true' | 'alternating'],
    ...ends('area', resizedCrop),
    ...ends('aspect', cropRatio),
    ...ends('scale', scale),
    ...ends('eraseArea', eraseArea),
    ...ends('eraseAspect', eraseRatio),
  };
}
