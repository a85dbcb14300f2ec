/**
 * Options as tables, a row each: the one place from which an option's check, its default, its flag, help and docs come.
 * A table stands beside the interface that users see, and the compiler holds the two together. What a table has
 * checked has the table's type, and is not checked again.
 */
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKeys,
  checkNumber,
  checkNumbers,
  checkObject,
  checkOneOf,
  isRecord,
  type Range,
} from './check.js';
import { invalidOption } from './errors.js';
import { type Notation, NUMBER, NUMBERS, part, SWITCH, word } from './notation.js';

/** Options by name, as somebody wrote them. */
export type Given = Readonly<Record<string, unknown>>;

/** A row: `T` is the type of what is checked. */
export interface Option<T = unknown> extends Description {
  check(value: unknown, name: string): T;
}

interface Description {
  /** For the command line's help and the docs, without the default. */
  readonly help: string;
  /** What stands for a value that is not given, as a user would write it; or a rule that finds it from the others. */
  readonly default?: unknown;
  /** It has to be given: there is no default. */
  readonly required?: true;
  /** The default in words, where the value does not say it. */
  readonly defaultText?: string;
  /** Without it the option cannot be given on a command line. */
  readonly notation?: Notation | typeof SWITCH;
  /** The name of its flag, where that is not the option's. */
  readonly flag?: string;
  /** Of an option whose value may be a set of options of its own. */
  readonly parts?: OptionTable;
  /** Of an option whose value is one of several sets of options, told apart by `type`. */
  readonly variants?: Variants;
}

export type OptionTable = Readonly<Record<string, Option>>;
export type Variants = Readonly<Record<string, OptionTable>>;

type ValueOf<O> = O extends Option<infer T> ? T : never;
type Certain = { readonly default: unknown } | { readonly required: true };
type CertainIn<T> = { [K in keyof T]: T[K] extends Certain ? K : never }[keyof T];

/** What `optionValues` makes of a table: an option that has a default or is required is there, another may be. */
export type Checked<T> = { readonly [K in CertainIn<T>]: ValueOf<T[K]> } & {
  readonly [K in Exclude<keyof T, CertainIn<T>>]?: ValueOf<T[K]>;
};

/** The checked value of variants. */
type CheckedVariant<V extends Variants> = {
  [K in keyof V]: { readonly type: K } & Checked<V[K]>;
}[keyof V];

// ---- rows -----------------------------------------------------------------------------------------------------------

/** Whether a value is certain to be there is a part of the row's type. */
type Row<T, S> = Option<T> & Pick<S, Extract<keyof S, 'default' | 'required'>>;
export type Spec = Omit<Description, 'help'>;

/** A row whose check is its own. */
export function option<T, const S extends Spec>(
  help: string,
  check: (value: unknown, name: string) => T,
  spec: S = {} as S,
): Row<T, S> {
  return { ...spec, help, check };
}

export const number = <const S extends Spec & Range>(help: string, spec: S = {} as S) =>
  option(help, (value, name) => checkNumber(value, name, spec), { notation: NUMBER, ...spec });

export const integer = <const S extends Spec & Range>(help: string, spec: S = {} as S) =>
  option(help, (value, name) => checkInteger(value, name, spec), { notation: NUMBER, ...spec });

export const numbers = <const S extends Spec & Range>(help: string, spec: S = {} as S) =>
  option(help, (value, name) => checkNumbers(value, name, spec), { notation: NUMBERS, ...spec });

export const flag = <const S extends Spec>(help: string, spec: S = {} as S) =>
  option(help, checkBoolean, { notation: SWITCH, ...spec });

/** One of a few words. */
export const choice = <const T extends string, const S extends Spec>(
  help: string,
  words: readonly T[],
  spec: S = {} as S,
) => option(help, (value, name) => checkOneOf(value, name, words), { notation: word(words), ...spec });

export const callback = <T>(help: string) => option(help, (value, name) => checkFunction(value as T, name));

/** One set of options that a word of its own asks for: the word, or an object with that word as its `type`. */
export const partOf = <const T extends string, const O extends OptionTable>(
  help: string,
  type: T,
  table: O,
  spec: Spec = {},
) =>
  option(help, (value, name) => checkPart(value, name, type, table), {
    notation: part(type, Object.keys(table)),
    parts: table as OptionTable,
    ...spec,
  });

// ---- checks ---------------------------------------------------------------------------------------------------------

/** The table's options among `given`, checked and complete. Other keys are not looked at. */
export function optionValues<const T extends OptionTable>(table: T, given: Given, prefix = ''): Checked<T> {
  const values: Record<string, unknown> = {};
  for (const [name, { default: fallback, required, check }] of Object.entries(table)) {
    const value = given[name] === undefined ? defaultOf(fallback, given) : given[name];
    if (value !== undefined || required) values[name] = check(value, prefix + name);
  }
  return values as Checked<T>;
}

/**
 * As `optionValues`; anything but an object, and keys that are no options, are refused.
 * @param option Whose value it is; undefined for the options of a whole call.
 */
export function checkOptions<const T extends OptionTable>(
  value: unknown,
  option: string | undefined,
  table: T,
  expected = 'an object of options',
): Checked<T> {
  const given = checkObject(value, option ?? 'options', expected);
  const prefix = option === undefined ? '' : `${option}.`;
  checkKeys(given, Object.keys(table), prefix);
  return optionValues(table, given, prefix);
}

/** One of several sets of options, told apart by `type`. */
export function checkVariant<const V extends Variants>(
  value: unknown,
  option: string,
  variants: V,
  expected: string,
): CheckedVariant<V> {
  const given = checkObject(value, option, expected);
  const type = checkOneOf(given.type, `${option}.type`, Object.keys(variants) as (keyof V & string)[]);
  const table = variants[type]!;
  checkKeys(given, ['type', ...Object.keys(table)], `${option}.`);
  return { type, ...optionValues(table, given, `${option}.`) } as unknown as CheckedVariant<V>;
}

function checkPart<const T extends string, const O extends OptionTable>(
  value: unknown,
  name: string,
  type: T,
  table: O,
): { readonly type: T } & Checked<O> {
  const given = value === type ? { type } : value;
  if (!isRecord(given)) throw invalidOption(name, `'${type}' or { type: '${type}', … }`, value);
  return checkVariant(given, name, { [type]: table }, '') as unknown as { readonly type: T } & Checked<O>;
}

function defaultOf(fallback: unknown, given: Given): unknown {
  return typeof fallback === 'function' ? fallback(given) : fallback;
}

// ---- words ----------------------------------------------------------------------------------------------------------

/** An option's default as people read it; undefined where it has none. */
export function describeDefault({ default: fallback, defaultText }: Option): string | undefined {
  if (defaultText !== undefined) return defaultText;
  if (typeof fallback === 'boolean') return fallback ? 'yes' : 'no';
  if (typeof fallback !== 'number') return fallback === undefined ? undefined : String(fallback);
  const isSmall = fallback !== 0 && Math.abs(fallback) < 0.01;
  return isSmall ? fallback.toExponential() : String(fallback);
}
