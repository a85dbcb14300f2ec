/** Published networks with fewer or more channels. */
import { number } from '../base/optionTable.js';

/** The row of `width`. */
export const WIDTH = number('factor of all channels, rounded to multiples of 8', {
  default: 1,
  above: 0,
  max: 8,
});

/** Of channels, as tensor cores and vectors have them. */
const MULTIPLE = 8;

/**
 * Channels of a layer in a network `width` times as wide: the nearest multiple of 8, upwards from the middle, at least 8, and the next
 * above where that would take more than a tenth away. It is what torchvision's MobileNets do with `width_mult`
 * (`_make_divisible`). Every published number here is a multiple of 8, so that width 1 changes none.
 */
export function widened(channels: number, width: number): number {
  const wanted = channels * width;
  const nearest = Math.max(MULTIPLE, Math.floor((wanted + MULTIPLE / 2) / MULTIPLE) * MULTIPLE);
  return nearest < 0.9 * wanted ? nearest + MULTIPLE : nearest;
}

/** A network's name, which is for people: layers are called alike in all widths. */
export const nameOfWidth = (name: string, width: number) => (width === 1 ? name : `${name}-width${width}`);
