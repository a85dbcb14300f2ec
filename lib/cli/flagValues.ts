/** The forms that a flag's value can have. Ranges are not checked here: the API does that, with a better answer. */
import type { FlagValue } from './arguments.js';

export const text = (form: string): FlagValue => ({ form, parse: (given) => given || undefined });

/** A word of a list. */
export const word = (...words: string[]): FlagValue => ({
  form: words.join('|'),
  parse: (given) => (words.includes(given) ? given : undefined),
});

export const number: FlagValue = { form: 'NUMBER', parse: parseNumber };

/** Numbers with commas between them. */
export const numbers: FlagValue = { form: 'A,B,…', parse: parseNumbers };

/** A number, 'auto', or 'learn' with or without a number to begin with. */
export const scale: FlagValue = {
  form: 'NUMBER|auto|learn[:INIT]',
  parse(given) {
    if (given === 'auto') return given;
    if (given === 'learn') return { learn: true };
    if (!given.startsWith('learn:')) return parseNumber(given);
    const init = parseNumber(given.slice('learn:'.length));
    return init === undefined ? undefined : { learn: true, init };
  },
};

/** The name of a rule, or each channel's mean and standard deviation. */
export const normalization: FlagValue = {
  form: 'dataset|unit|MEANS:STDS',
  parse(given) {
    if (given === 'dataset' || given === 'unit') return given;
    const [mean, std, ...rest] = given.split(':').map(parseNumbers);
    return mean && std && rest.length === 0 ? { mean, std } : undefined;
  },
};

function parseNumber(given: string): number | undefined {
  const value = Number(given);
  return given.trim() === '' || Number.isNaN(value) ? undefined : value;
}

function parseNumbers(given: string): number[] | undefined {
  const values = given.split(',').map(parseNumber);
  return values.every((value) => value !== undefined) ? values : undefined;
}
