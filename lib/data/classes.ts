/** Which classes of a data set are wanted, as somebody says it. */
import { checkInteger, didYouMean } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { type Notation, NUMBER, names } from '../base/notation.js';
import { option } from '../base/optionTable.js';

/** So many of the classes, from the first on; or these, by name or number. */
export type Classes = number | readonly (string | number)[];

/** Of fewer there is nothing to tell apart. */
export const FEWEST_CLASSES = 2;

const CLASSES_NOTATION: Notation = {
  form: 'COUNT|CLASS,CLASS,…',
  parse: (given) => (/^\d+$/.test(given.trim()) ? NUMBER.parse(given) : names('CLASS').parse(given)),
};

/** The row of `classes`. */
export const CLASSES = option('only these classes, by name or number, or the first so many', checkClasses, {
  defaultText: 'all',
  notation: CLASSES_NOTATION,
});

/** In place of a number, for a name of more than one class. */
const SEVERAL = -1;

/** The classes' numbers. Throws INVALID_OPTION for what is none, and for a class that is there twice. */
export function classNumbers(classes: Classes, classNames: readonly string[]): number[] {
  if (typeof classes === 'number') {
    const count = checkInteger(classes, 'classes', { min: FEWEST_CLASSES, max: classNames.length });
    return Array.from({ length: count }, (_, label) => label);
  }
  const byName = new Map<string, number>();
  for (const [label, name] of classNames.entries()) byName.set(name, byName.has(name) ? SEVERAL : label);
  const numbers = classes.map((each, index) => numberOf(each, `classes[${index}]`, classNames, byName));
  const known = new Set<number>();
  for (const [index, number] of numbers.entries()) {
    if (known.has(number))
      throw invalidOption(`classes[${index}]`, 'another class than before', classes[index]);
    known.add(number);
  }
  return numbers;
}

function numberOf(
  given: string | number,
  name: string,
  classNames: readonly string[],
  byName: ReadonlyMap<string, number>,
): number {
  const named = typeof given === 'string' ? byName.get(given) : undefined;
  if (named === SEVERAL) {
    const hint = 'Several are called so: numbers tell them apart';
    throw invalidOption(name, 'the name of one class', given, hint);
  }
  if (named !== undefined) return named;
  const number = typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : given;
  if (typeof number === 'number' && number < classNames.length) return number;
  const expected = `the name of a class or a whole number in [0, ${classNames.length - 1}]`;
  throw invalidOption(name, expected, given, typeof given === 'string' ? didYouMean(given, classNames) : '');
}

/** As far as that is known without the data. */
function checkClasses(value: unknown, name: string): Classes {
  if (typeof value === 'number') return checkInteger(value, name, { min: FEWEST_CLASSES });
  const isList =
    Array.isArray(value) &&
    value.length >= FEWEST_CLASSES &&
    value.every((each) => typeof each === 'string' || (Number.isSafeInteger(each) && each >= 0));
  if (isList) return [...value];
  throw invalidOption(name, 'a number of classes, or a list of two or more names or numbers', value);
}
