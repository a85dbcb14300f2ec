import { text } from '../../base/notation.js';
import { significant } from '../../report/format.js';
import { rateCurveSvg } from '../../report/svg/rateCurveSvg.js';
import {
  findLearningRate,
  type LearningRateSearch,
  NOT_OF_A_SEARCH,
  SEARCH_OPTIONS,
} from '../../tuning/findLearningRate.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf, kebabCase } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { prepareFile, prepareJson } from '../output.js';
import { TRAIN_FLAGS } from '../train/flags.js';
import { RATE_FLAGS } from '../train/learningRate.js';
import { trainOptions } from '../train/options.js';

/** Of `margincore train`: the others are about another run than a search is. */
const LEFT_OUT = new Set([
  ...NOT_OF_A_SEARCH.map(kebabCase),
  ...RATE_FLAGS.map(({ name }) => name),
  ...['save', 'json', 'svg'],
]);

const FLAGS: readonly FlagGroup[] = [
  { title: 'Search', flags: flagsOf(SEARCH_OPTIONS) },
  ...TRAIN_FLAGS.map(({ title, flags }) => ({
    title,
    flags: flags.filter(({ name }) => !LEFT_OUT.has(name)),
  })).filter(({ flags }) => flags.length > 0),
  {
    title: 'Results',
    flags: [
      { name: 'json', to: 'json', value: text('FILE|-'), help: 'the whole result; - is standard output' },
      { name: 'svg', to: 'svg', value: text('FILE'), help: 'a picture of the loss over the rate' },
    ],
  },
];

interface Flags {
  json?: string;
  svg?: string;
  minRate?: number;
  maxRate?: number;
  steps?: number;
}

export const findLrCommand: Command = {
  summary: 'suggest a learning rate, by a short run with one that rises',
  help: () =>
    [
      'usage: margincore find-lr [options]',
      '',
      'Trains for some steps with a learning rate that rises exponentially, until the loss goes up, and suggests a rate. Nothing is',
      'left of the model. The suggestion is for --learning-rate, with the same data, network, head, optimizer and batch size.',
      describeFlags(FLAGS),
      '',
      'Example: margincore find-lr --head arcface --m 0.5 --svg rates.svg',
    ].join('\n'),

  async run(argv) {
    const { json, svg, minRate, maxRate, steps, ...flags } = parseFlags(FLAGS, argv) as Flags;
    const writeJson = json === undefined ? undefined : await prepareJson(json);
    const writeSvg = svg === undefined ? undefined : await prepareFile(svg, '--svg');
    const { learningRate: _, ...options } = await trainOptions(flags);
    const search = {
      ...(minRate !== undefined && { minRate }),
      ...(maxRate !== undefined && { maxRate }),
      ...(steps !== undefined && { steps }),
    };
    const found = await interruptible((signal) => findLearningRate({ ...options, ...search, signal }));
    await writeJson?.(found);
    await writeSvg?.(picture(found, options.head ?? 'softmax'));
    // Where JSON has standard output, nothing else may be there.
    if (json !== '-') console.log(describe(found));
    return 0;
  },
};

/** The suggestions by their names. */
function suggestionsOf({ steepest, minimumTenth }: LearningRateSearch) {
  return [
    ...(steepest === undefined
      ? []
      : [{ rate: steepest, label: `steepest descent ${significant(steepest)}` }]),
    ...(minimumTenth === undefined
      ? []
      : [{ rate: minimumTenth, label: `minimum / 10 ${significant(minimumTenth)}` }]),
  ];
}

const ENDS: Readonly<Record<LearningRateSearch['ended'], string>> = {
  steps: 'the loss did not diverge: a higher --max-rate would show more',
  diverged: 'then the loss diverged',
  nonFinite: 'then the loss or a gradient became NaN or infinite',
};

/** Rows of the table, and columns of its longest bar. */
const ROWS = 20;
const BAR = 40;

function describe(found: LearningRateSearch): string {
  const { rates, smoothed, ended } = found;
  const most = Math.max(...smoothed);
  const every = Math.max(1, Math.ceil(rates.length / ROWS));
  const rows = rates.flatMap((rate, step) => {
    if (step % every !== 0) return [];
    const loss = smoothed[step]!;
    return [
      `${rate.toExponential(2).padStart(9)}  ${loss.toPrecision(4).padStart(9)}  ${'█'.repeat(Math.round((BAR * loss) / most))}`,
    ];
  });
  const suggestions = suggestionsOf(found).map(({ label }) => label);
  return [
    '     rate       loss',
    ...rows,
    `${rates.length} steps; ${ENDS[ended]}`,
    suggestions.length === 0
      ? 'too few steps for a suggestion: try a lower --min-rate'
      : suggestions.join('; '),
  ].join('\n');
}

function picture(found: LearningRateSearch, head: string): string {
  const { rates, losses, smoothed, ended } = found;
  return rateCurveSvg({
    ...{ rates, losses, smoothed, marks: suggestionsOf(found) },
    title: `${head}: the loss over a rising learning rate`,
    subtitle: `${rates.length} steps; ${ENDS[ended]}`,
  });
}
