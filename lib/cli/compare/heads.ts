/** Heads with options to be tried, on a command line: 'softmax,arcface:m=0.3/0.5:s=16'. */
import { type Notation, parseNumber } from '../../base/notation.js';
import type { HeadChoice } from '../../comparison/grid.js';
import { HEAD_WORDS } from '../../heads/resolve.js';

const WORDS: readonly string[] = HEAD_WORDS;

export const HEADS_NOTATION: Notation = {
  form: 'HEAD[:OPTION=VALUE/VALUE…],…',
  parse(given) {
    const heads = given.split(',').map(parseHead);
    return heads.includes(undefined) ? undefined : heads;
  },
};

function parseHead(given: string): HeadChoice | undefined {
  const [head = '', ...options] = given.trim().split(':');
  const entries = options.map((each) => {
    const [name = '', values = ''] = each.split('=', 2);
    return [name.trim(), values.split('/').map(parseValue)] as const;
  });
  if (!WORDS.includes(head) || entries.some(([name, values]) => name === '' || values.includes('')))
    return undefined;
  return { head, ...Object.fromEntries(entries) } as HeadChoice;
}

/** A number, a switch, or a word. */
function parseValue(given: string): number | boolean | string {
  const value = given.trim();
  if (value === 'true' || value === 'false') return value === 'true';
  return parseNumber(value) ?? value;
}
