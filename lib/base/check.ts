/** The checks that every option goes through. Each returns the checked value or throws INVALID_OPTION naming the option. */
import { invalidOption } from './errors.js';
import { answerTo, bare, namesFor } from './otherNames.js';

/** Limits of a number: `min` and `max` belong to the range, `above` and `below` do not. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
}

/** A finite number within the range. */
export function checkNumber(value: unknown, option: string, range: Range = {}): number {
  if (typeof value === 'number' && Number.isFinite(value) && isWithin(value, range)) return value;
  throw invalidOption(option, `a number${describe(range)}`, value);
}

/** A whole number within the range that doubles represent exactly. */
export function checkInteger(value: unknown, option: string, range: Range = {}): number {
  if (Number.isSafeInteger(value) && isWithin(value as number, range)) return value as number;
  throw invalidOption(option, `a whole number${describe(range)}`, value);
}

export function checkBoolean(value: unknown, option: string): boolean {
  if (typeof value === 'boolean') return value;
  throw invalidOption(option, 'true or false', value);
}

/**
 * One of a few words, with a guess at the one that was meant.
 * @param expected For the error, where more than the words is allowed.
 */
export function checkOneOf<const T extends string>(
  value: unknown,
  option: string,
  allowed: readonly T[],
  expected = oneOf(allowed),
): T {
  if (allowed.includes(value as T)) return value as T;
  const hint = typeof value === 'string' ? didYouMean(value, allowed) : '';
  throw invalidOption(option, expected, value, hint);
}

function oneOf(words: readonly string[]): string {
  const list = words.map((word) => `'${word}'`).join(', ');
  return words.length === 1 ? list : `one of ${list}`;
}

/** A plain object. */
export function checkObject(
  value: unknown,
  option: string,
  expected = 'a plain object',
): Record<string, unknown> {
  if (isRecord(value)) return value;
  throw invalidOption(option, expected, value);
}

/** As `{ … }` makes it, in whatever realm: of others, such as a Map or a signal, the keys are not what they hold. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

export function checkText(value: unknown, option: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalidOption(option, 'a text', value);
}

/** A path as a text; what is there is for whoever opens it. */
export function checkPath(value: unknown, option: string): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
  throw invalidOption(option, 'a path', value);
}

export function checkFunction<T>(value: T, option: string): T {
  if (typeof value === 'function') return value;
  throw invalidOption(option, 'a function', value);
}

const SIGNAL_METHODS = ['addEventListener', 'removeEventListener', 'throwIfAborted'] as const;

/** By its form, as far as that is used: a signal may come from another realm. */
export function checkSignal(value: unknown, option: string): AbortSignal {
  const signal = value as AbortSignal | null;
  const isSignal =
    typeof signal?.aborted === 'boolean' &&
    SIGNAL_METHODS.every((name) => typeof signal[name] === 'function');
  if (isSignal) return signal;
  throw invalidOption(option, 'an AbortSignal', value);
}

/** Finite numbers, as an array or a typed array; `length` states how many where that is known. */
export function checkNumbers(value: unknown, option: string, range: Range = {}, length?: number): number[] {
  const numbers =
    Array.isArray(value) || isTypedArray(value) ? Array.from(value as ArrayLike<unknown>) : undefined;
  if (numbers === undefined || (length !== undefined && numbers.length !== length)) {
    throw invalidOption(option, `${length ?? 'an array of'} numbers`, value);
  }
  return numbers.map((number, index) => checkNumber(number, `${option}[${index}]`, range));
}

/**
 * Refuses keys that are not options, so that a misspelt one is never silently without effect. A key whose value is
 * undefined counts as absent.
 * @param prefix Name of the option whose value the object is, with its dot: 'optimizer.'
 * @param explain A sentence for keys that deserve a better answer than the nearest spelling.
 */
export function checkKeys(
  object: Readonly<Record<string, unknown>>,
  allowed: readonly string[],
  prefix = '',
  explain: (key: string) => string = () => '',
): void {
  for (const [key, value] of Object.entries(object)) {
    if (value === undefined || allowed.includes(key)) continue;
    const hint =
      explain(key) || answerTo(key) || didYouMean(key, allowed) || `The options are ${allowed.join(', ')}`;
    throw invalidOption(`${prefix}${key}`, 'no value (there is no such option)', value, hint);
  }
}

export function isTypedArray(value: unknown): value is Float32Array {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) !== '[object DataView]';
}

function isWithin(value: number, { min, max, above, below }: Range): boolean {
  return (
    (min === undefined || value >= min) &&
    (max === undefined || value <= max) &&
    (above === undefined || value > above) &&
    (below === undefined || value < below)
  );
}

function describe({ min, max, above, below }: Range): string {
  const lower = min !== undefined ? `[${min}, ` : above !== undefined ? `(${above}, ` : undefined;
  const upper = max !== undefined ? `${max}]` : below !== undefined ? `${below})` : undefined;
  if (lower && upper) return ` in ${lower}${upper}`;
  if (min !== undefined) return ` of at least ${min}`;
  if (above !== undefined) return ` above ${above}`;
  if (max !== undefined) return ` of at most ${max}`;
  return below !== undefined ? ` below ${below}` : '';
}

/** A sentence with the known word that was probably meant; nothing where there is none. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const nearest = nearestWord(word, candidates);
  return nearest ? `Did you mean '${nearest}'?` : '';
}

/** The known word that a misspelt or foreign one was probably meant to be; undefined where none is near enough. */
export function nearestWord(word: string, candidates: readonly string[]): string | undefined {
  for (const name of [word, ...namesFor(word)]) {
    const same = candidates.find((candidate) => bare(candidate) === bare(name));
    if (same !== undefined) return same;
  }
  let best: string | undefined;
  // A word may differ in a third of its letters before the guess would be noise.
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance && distance < candidate.length) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein's distance: the fewest insertions, deletions and replacements of letters. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replace = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replace, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
