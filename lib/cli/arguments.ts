/** Command line flags from a table: one row per flag, which parsing and help both read. */
import { parseArgs } from 'node:util';
import { nearestWord } from '../base/check.js';
import type { Notation } from '../base/notation.js';
import { answerTo } from '../base/otherNames.js';
import { wrap } from '../report/format.js';

export interface Flag {
  /** In kebab-case, without dashes; --camelCase is taken as well. */
  readonly name: string;
  /** Where the value goes in what `parseFlags` returns: 'm', or 'optimizer.momentum' for a part of an object. */
  readonly to: string;
  /** How its value is read. Without it the flag is a switch: --name is true, --no-name false. */
  readonly value?: Notation;
  readonly help: string;
}

export interface FlagGroup {
  readonly title: string;
  readonly flags: readonly Flag[];
}

/** Values by their destination, objects for dotted ones. */
export type ParsedFlags = Record<string, unknown>;

/** The command line has to be changed; the program ends with status 2. So it does for an option that the API refuses. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Throws UsageError for an unknown or repeated flag, a value that is missing or not of its form, a word that is missing, and
 * other words.
 * @param words Where the words go that are no flags, in their order: each has to be there. The last takes all that are left, as a
 *   list, where its name ends with '…'.
 */
export function parseFlags(
  groups: readonly FlagGroup[],
  argv: readonly string[],
  words: readonly string[] = [],
): ParsedFlags {
  const flags = groups.flatMap((group) => group.flags);
  const { tokens } = parseArgs({
    args: argv.map(toKebabCase),
    options: Object.fromEntries(
      flags.map(({ name, value }) => [name, { type: value ? 'string' : 'boolean' }]),
    ),
    strict: false, // its own messages know neither the flags' forms nor a better spelling
    tokens: true,
  });
  const parsed: ParsedFlags = {};
  const seen = new Set<Flag>();
  for (const token of tokens) {
    if (token.kind === 'positional') {
      takeWord(parsed, words, token.value);
      continue;
    }
    if (token.kind === 'option-terminator') continue;
    const flag = findFlag(flags, token.name, token.rawName);
    if (seen.has(flag)) throw new UsageError(`--${flag.name} is given twice`);
    seen.add(flag);
    place(parsed, flag.to, flag.value ? readValue(flag, flag.value, token) : readSwitch(flag, token));
  }
  const missing = words.find((each) => parsed[nameOf(each)] === undefined);
  if (missing !== undefined) throw new UsageError(`${nameOf(missing).toUpperCase()} is missing`);
  return parsed;
}

const REST = '…';
const nameOf = (word: string) => (word.endsWith(REST) ? word.slice(0, -REST.length) : word);

function takeWord(parsed: ParsedFlags, words: readonly string[], value: string): void {
  const word = words.find((each) => each.endsWith(REST) || parsed[each] === undefined);
  if (word === undefined) throw new UsageError(`unexpected argument '${value}'`);
  if (!word.endsWith(REST)) parsed[word] = value;
  else parsed[nameOf(word)] = [...((parsed[nameOf(word)] as string[] | undefined) ?? []), value];
}

/** Columns that help takes. */
const HELP_WIDTH = 110;

/** The flags of all groups, in two columns. */
export function describeFlags(groups: readonly FlagGroup[]): string {
  const rows = groups.flatMap(({ title, flags }) => [
    ['', ''],
    [`${title}:`, ''],
    ...flags.map(({ name, value, help }) => [
      `  ${value ? `--${name} ${value.form}` : `--[no-]${name}`}`,
      help,
    ]),
  ]);
  const width = Math.min(34, Math.max(...rows.map(([left]) => left!.length)));
  const indent = `\n${' '.repeat(width + 2)}`;
  return rows
    .map(([left, right]) => {
      const isWide = left!.length > width && right !== '';
      const text = wrap(right!, HELP_WIDTH - width - 2).join(indent);
      return `${isWide ? `${left}${indent}` : left!.padEnd(width + 2)}${text}`.trimEnd();
    })
    .join('\n');
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function findFlag(flags: readonly Flag[], name: string, rawName: string): Flag {
  const flag = flags.find((each) => each.name === name || (!each.value && `no-${each.name}` === name));
  if (flag !== undefined) return flag;
  const guess = nearestWord(
    name,
    flags.map((each) => each.name),
  );
  const hint = answerTo(name) || (guess ? `Did you mean --${guess}?` : '');
  throw new UsageError(`there is no option ${rawName}.${hint && ` ${hint}`}`);
}

function readSwitch({ name }: Flag, token: OptionToken): boolean {
  if (token.value !== undefined)
    throw new UsageError(`--${name} takes no value: use --${name} or --no-${name}`);
  return token.name === name;
}

function readValue(
  { name }: Flag,
  { form, parse, words = [] }: Notation,
  { value, inlineValue }: OptionToken,
): unknown {
  // `--head --m 0.5`: what follows is the next flag, not the value.
  if (value === undefined || (!inlineValue && value.startsWith('--'))) {
    throw new UsageError(`--${name} needs a value: ${form}`);
  }
  const parsed = parse(value);
  if (parsed === undefined) {
    const nearest = nearestWord(value, words);
    const hint = nearest === undefined ? '' : `. Did you mean '${nearest}'?`;
    throw new UsageError(`--${name} needs ${form}, not '${value}'${hint}`);
  }
  return parsed;
}

function place(target: ParsedFlags, path: string, value: unknown): void {
  const [key, ...rest] = path.split('.');
  if (rest.length === 0) {
    target[key!] = value;
    return;
  }
  target[key!] ??= {};
  place(target[key!] as ParsedFlags, rest.join('.'), value);
}

/** --batchSize=20 → --batch-size=20; anything that is not a flag stays as it is. */
function toKebabCase(argument: string): string {
  return argument.replace(/^--[^=]+/, (name) =>
    name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
  );
}
