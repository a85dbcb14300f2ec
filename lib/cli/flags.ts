/** Flags made of option tables: name, form, help and default come from the rows. */

import { SWITCH, word } from '../base/notation.js';
import { describeDefault, type Option, type OptionTable, type Variants } from '../base/optionTable.js';
import type { Flag } from './arguments.js';

/**
 * A flag for each option that can be written on a command line.
 * @param to Before the names under which values are put: 'model.'
 * @param instead The flags of options that the command line puts together from several.
 */
export function flagsOf(
  table: OptionTable,
  { to = '', instead = {} }: { to?: string; instead?: Readonly<Record<string, readonly Flag[]>> } = {},
): Flag[] {
  return Object.entries(table).flatMap(([name, option]) => {
    if (instead[name] !== undefined) return instead[name];
    if (option.variants !== undefined) return variantFlags(name, option, option.variants, to);
    return flagOf(name, option, to + name, help(option.help, describeDefault(option)));
  });
}

/**
 * A flag for each name among the options of several sets. Its help says of which sets it is an option, and what each
 * has by default.
 */
export function flagsOfSets(sets: Variants, to = ''): Flag[] {
  const names = new Set(Object.values(sets).flatMap((table) => Object.keys(table)));
  return [...names].flatMap((name) => {
    const owners = Object.keys(sets).filter((owner) => sets[owner]![name] !== undefined);
    const option = (owner: string) => sets[owner]![name]!;
    const described = groupBy(owners, (owner) => option(owner).help).map(([what, same]) => {
      const defaults = groupBy(same, (owner) => describeDefault(option(owner)));
      const text = help(what, defaults.length === 1 ? defaults[0]![0] : perOwner(defaults));
      return same.length === Object.keys(sets).length ? text : `${same.join(', ')}: ${text}`;
    });
    return flagOf(name, option(owners[0]!), to + name, described.join('; '));
  });
}

/** One flag for the type, and those of the variants. */
function variantFlags(name: string, option: Option, variants: Variants, to: string): Flag[] {
  const type: Flag = {
    name: kebabCase(option.flag ?? name),
    to: `${to}${name}.type`,
    value: word(Object.keys(variants)),
    help: help(option.help, describeDefault(option)),
  };
  return [type, ...flagsOfSets(variants, `${to}${name}.`)];
}

function flagOf(name: string, { notation, flag = name }: Option, to: string, text: string): Flag[] {
  if (notation === undefined) return [];
  return [{ name: kebabCase(flag), to, ...(notation !== SWITCH && { value: notation }), help: text }];
}

function help(what: string, fallback: string | undefined): string {
  return fallback === undefined ? what : `${what} (default: ${fallback})`;
}

function perOwner(
  defaults: readonly (readonly [text: string | undefined, owners: readonly string[]])[],
): string {
  return defaults.map(([text, owners]) => `${owners.join(', ')} ${text}`).join('; ');
}

/** In the order of the first of each group. */
function groupBy<K>(words: readonly string[], key: (word: string) => K): [K, string[]][] {
  const groups = new Map<K, string[]>();
  for (const each of words) groups.set(key(each), [...(groups.get(key(each)) ?? []), each]);
  return [...groups];
}

/** embeddingSize → embedding-size */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
