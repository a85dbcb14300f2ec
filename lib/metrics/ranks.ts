/** How many of the best are looked at: the k of top-k and of k nearest neighbours. */
import { checkInteger } from '../base/check.js';
import { invalidOption } from '../base/errors.js';

/** A list of whole numbers from 1 on. */
export function checkRanks(value: unknown, name: string): readonly number[] {
  if (!Array.isArray(value)) throw invalidOption(name, 'a list of whole numbers', value);
  return value.map((k, index) => checkInteger(k, `${name}[${index}]`, { min: 1 }));
}
