/** Names and defaults in docs, README and declarations are those of the option tables. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeDefault, type OptionTable } from '../../lib/base/optionTable.js';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { AUGMENT_OPTIONS } from '../../lib/data/augment.js';
import { HEAD_NAMES } from '../../lib/heads/resolve.js';
import { COMMON_OPTIONS, HEADS } from '../../lib/heads/table.js';
import { OPTIMIZERS } from '../../lib/training/optimizers.js';
import { RUN_OPTIONS } from '../../lib/training/options.js';
import { FILE, optionDocs } from './optionDocs.js';

const source = (path: string) => readFileSync(join(packageRoot(), path), 'utf8');

test('docs/options.md is current (npm run docs)', () => {
  expect(readFileSync(FILE, 'utf8')).toBe(optionDocs());
});

describe("README's table of heads", () => {
  const rows = source('README.md')
    .split('\n')
    .filter((line) => /^\| `[a-z0-9-]+`(, `[a-z0-9-]+`)? \| .* \| .* \| [^|]*\|$/.test(line))
    .map((line) => line.split(' | '));
  const ofHead = (name: string) => rows.find(([head]) => head!.startsWith(`| \`${name}\``))!;

  test.each(HEAD_NAMES)('%s: its names, and a default that is a number', (name) => {
    const [head, , defaults] = ofHead(name) as [string, string, string];
    expect(head.match(/[a-z0-9-]+/g)).toEqual([name, ...(HEADS[name].aliases ?? [])]);
    const parts = defaults.split(/[,;] /);
    for (const [option, row] of Object.entries(HEADS[name].options)) {
      const part = parts.find((each) => each === option || each.startsWith(`${option} `));
      expect([name, option, part]).toEqual([name, option, expect.any(String)]);
      if (typeof row.default === 'number') expect(part).toBe(`${option} ${describeDefault(row)}`);
    }
  });
});

/** The doc comment that stands before each member of an interface in a source file. */
function comments(path: string, name: string): Map<string, string> {
  const [, body = ''] = source(path).split(new RegExp(`interface ${name}\\b[^{]*\\{`));
  const members = body
    .slice(0, body.indexOf('\n}'))
    .matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(?:readonly )?(\w+)\??[:(]/g);
  return new Map(
    Array.from(members, ([, comment, member]) => [member!, comment!.replaceAll(/\s*\n\s*\*\s*/g, ' ')]),
  );
}

const OPTIONS_FILE = 'lib/heads/options.ts';
const HEAD_INTERFACES = {
  ...{ softmax: 'SoftmaxHead', 'l2-softmax': 'L2SoftmaxHead', normface: 'NormFaceHead' },
  ...{ 'l-softmax': 'LSoftmaxHead', 'a-softmax': 'ASoftmaxHead', 'am-softmax': 'AmSoftmaxHead' },
  ...{ arcface: 'ArcFaceHead', combined: 'CombinedHead', pedcc: 'PedccHead', center: 'CenterHead' },
} as const;

test.each<[string, string, OptionTable]>([
  ['lib/training/options.ts', 'RunOptions', RUN_OPTIONS],
  [OPTIONS_FILE, 'CommonHeadOptions', COMMON_OPTIONS],
  ['lib/data/augment.ts', 'AugmentOptions', AUGMENT_OPTIONS],
  ['lib/training/optimizers.ts', 'SgdOptions', OPTIMIZERS.sgd],
  ['lib/training/optimizers.ts', 'AdamOptions', OPTIMIZERS.adam],
  ...Object.entries(HEAD_INTERFACES).map(([head, name]): [string, string, OptionTable] => {
    const { options } = HEADS[head as keyof typeof HEAD_INTERFACES];
    const own = comments(OPTIONS_FILE, name);
    // What an interface takes from another is looked at there.
    return [OPTIONS_FILE, name, Object.fromEntries(Object.entries(options).filter(([key]) => own.has(key)))];
  }),
  [OPTIONS_FILE, 'CenterOptions', { weight: HEADS.center.options.weight!, rate: HEADS.center.options.rate! }],
  [OPTIONS_FILE, 'ScaledBnOptions', HEADS['scaled-bn'].options],
])('%s: the defaults in the comments of %s', (path, name, table) => {
  const found = comments(path, name);
  for (const [option, row] of Object.entries(table)) {
    expect([option, found.get(option)]).toEqual([option, expect.any(String)]);
    const { default: fallback } = row;
    if (typeof fallback === 'number') {
      const number = /[Dd]efault:? (-?[\d.]+(?:e-?\d+)?)/.exec(found.get(option)!)?.[1]?.replace(/\.$/, '');
      expect([option, Number(number)]).toEqual([option, fallback]);
    } else if (typeof fallback === 'boolean') {
      expect([option, found.get(option)]).toEqual([option, expect.stringContaining(`Default ${fallback}`)]);
    } else if (typeof fallback === 'string') {
      expect(found.get(option)).toMatch(
        new RegExp(`'${fallback}'( \\(default\\)|\\.? *$)|Default:? '${fallback}'`),
      );
    }
  }
});
