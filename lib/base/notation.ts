/**
 * How the value of an option is written on a command line. Ranges are not checked here: the option's own check does that,
 * with a better answer.
 */
export interface Notation {
  /** What help shows for the value, and what an error says was needed: 'NUMBER' */
  readonly form: string;
  /** The values that there are, where they are words: an error suggests the nearest. */
  readonly words?: readonly string[];
  /** The value, or undefined where the text is not of that form. */
  parse(text: string): unknown;
}

/** Two flags without a value, --name and --no-name. */
export const SWITCH = 'switch';

export const text = (form: string): Notation => ({ form, parse: (given) => given || undefined });

/** A word of a list. */
export const word = (words: readonly string[]): Notation => ({
  form: words.join('|'),
  words,
  parse: (given) => (words.includes(given) ? given : undefined),
});

export const NUMBER: Notation = { form: 'NUMBER', parse: parseNumber };

/** Numbers with commas between them. */
export const NUMBERS: Notation = { form: 'A,B,…', parse: parseNumbers };

/** Names with commas between them. */
export const names = (form: string): Notation => ({ form: `${form},${form},…`, parse: parseNames });

/** A word alone, or with numbers for its options: 'center:weight=0.01,rate=0.5'. */
export const part = (type: string, options: readonly string[]): Notation => ({
  form: `${type}[:${options.map((name) => `${name}=…`).join(',')}]`,
  words: [type],
  parse(given) {
    if (given === type) return type;
    if (!given.startsWith(`${type}:`)) return undefined;
    const values = parseNamedNumbers(given.slice(type.length + 1));
    return values && { type, ...values };
  },
});

export function parseNumber(given: string): number | undefined {
  const value = Number(given);
  return given.trim() === '' || Number.isNaN(value) ? undefined : value;
}

export function parseNumbers(given: string): number[] | undefined {
  const values = given.split(',').map(parseNumber);
  return values.every((value) => value !== undefined) ? values : undefined;
}

function parseNames(given: string): string[] | undefined {
  const all = given.split(',').map((name) => name.trim());
  return all.includes('') ? undefined : all;
}

/** An object from 'a=1,b=2'. */
export function parseNamedNumbers(given: string): Record<string, number> | undefined {
  const entries = given.split(',').map((pair) => {
    const [name = '', value = ''] = pair.split('=', 2);
    return [name.trim(), parseNumber(value)] as const;
  });
  if (entries.some(([name, value]) => name === '' || value === undefined)) return undefined;
  return Object.fromEntries(entries) as Record<string, number>;
}
