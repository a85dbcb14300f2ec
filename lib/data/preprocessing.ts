/** How pictures of any kind are brought to the size and colours of a network. */
import { type Checked, checkOptions, choice, integer } from '../base/optionTable.js';

/** How a picture of any size, colours and orientation becomes what a network takes. */
export const PREPROCESSING = {
  resize: choice(
    'cover: fitted by the shorter side, the middle cut out; contain: all of it, with bars; stretch',
    ['cover', 'contain', 'stretch'],
    { default: 'cover' },
  ),
  background: integer('the grey of bars, and of what is transparent', { default: 0, min: 0, max: 255 }),
} as const;

/**
 * How pictures are brought to the size and colours of a network.
 * @interface
 */
export type Preprocessing = Checked<typeof PREPROCESSING>;

export const DEFAULT_PREPROCESSING: Preprocessing = { resize: 'cover', background: 0 };

export const checkPreprocessing = (value: unknown, option: string): Preprocessing =>
  checkOptions(value, option, PREPROCESSING);
