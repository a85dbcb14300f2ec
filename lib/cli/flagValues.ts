/** The forms that a flag's value can have. Ranges are not checked here: the API does that, with a better answer. */
import { ANNEALING_RECIPES } from '../schedules/annealing.js';
import type { FlagValue } from './arguments.js';

export const text = (form: string): FlagValue => ({ form, parse: (given) => given || undefined });

/** A word of a list. */
export const word = (...words: string[]): FlagValue => ({
  form: words.join('|'),
  words,
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

/** A length of features: a number, or learned. */
export const alpha: FlagValue = {
  form: 'NUMBER|learn[:INIT]',
  parse: (given) => (given === 'auto' ? undefined : scale.parse(given)),
};

/** λ over the run: a number, the name of a recipe, or the numbers of a rule by name. */
export const annealing: FlagValue = {
  form: `NUMBER|${ANNEALING_RECIPES.join('|')}|base=…,until=…|base=…,gamma=…,power=…`,
  parse: (given) => (ANNEALING_RECIPES.some((name) => name === given) ? given : parseNumbersNamed(given)),
};

/** A word alone, or with numbers for its options: 'center:weight=0.01,rate=0.5'. */
export const part = (type: string, ...options: string[]): FlagValue => ({
  form: `${type}[:${options.map((name) => `${name}=…`).join(',')}]`,
  parse(given) {
    if (given === type) return type;
    if (!given.startsWith(`${type}:`)) return undefined;
    const values = parseNumbersNamed(given.slice(type.length + 1));
    return typeof values === 'object' ? { type, ...values } : undefined;
  },
});

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

/** A number, or an object from 'a=1,b=2'. */
function parseNumbersNamed(given: string): number | Record<string, number> | undefined {
  if (!given.includes('=')) return parseNumber(given);
  const entries = given.split(',').map((pair) => {
    const [name = '', value = ''] = pair.split('=', 2);
    return [name.trim(), parseNumber(value)] as const;
  });
  if (entries.some(([name, value]) => name === '' || value === undefined)) return undefined;
  return Object.fromEntries(entries) as Record<string, number>;
}

function parseNumbers(given: string): number[] | undefined {
  const values = given.split(',').map(parseNumber);
  return values.every((value) => value !== undefined) ? values : undefined;
}
