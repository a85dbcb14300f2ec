import { resolve } from 'node:path';
import { text } from '../../base/notation.js';
import { flag, integer } from '../../base/optionTable.js';
import { type CompareOptions, compare } from '../../comparison/compare.js';
import { decisionLine } from '../../comparison/comparisonTable.js';
import { comparisonJson, comparisonText } from '../../comparison/keepComparison.js';
import { SEEDS, SIDE_BY_SIDE } from '../../experiments/recipe.js';
import { runLine } from '../../experiments/runLine.js';
import { PLACEMENT_OPTIONS } from '../../native/backends.js';
import type { ModelDescription } from '../../networks/index.js';
import { describeFlags, type FlagGroup, type ParsedFlags, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { HEADS_NOTATION } from '../compare/heads.js';
import { flagsOf } from '../flags.js';
import { jsonFlag, reporting } from '../modelFlags.js';
import { TRAIN_FLAGS } from '../train/flags.js';
import { MODELS_NOTATION, type NetworkFlags, networkOptions } from '../train/network.js';
import { trainOptions } from '../train/options.js';

const COMPARED = ['head', 'model.name', 'seed', 'progress'];

/** Of `train`, what all runs share. */
const SHARED_FLAGS = TRAIN_FLAGS.filter(({ title }) =>
  ['Data and network', 'Data in files', 'Training'].includes(title),
).map(({ title, flags }) => ({ title, flags: flags.filter(({ to }) => !COMPARED.includes(to)) }));

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Comparison',
    flags: [
      {
        name: 'heads',
        to: 'heads',
        value: HEADS_NOTATION,
        help: 'each with its options, of which several are tried; default: softmax,arcface,am-softmax,scaled-bn',
      },
      { name: 'models', to: 'models', value: MODELS_NOTATION, help: 'the networks; default: seedCnn' },
      ...flagsOf({
        search: flag("first seek the best of each head's margins and scales, by successive halving", {
          default: false,
        }),
        seeds: integer('runs of each row', { ...SEEDS, default: 3 }),
      }),
      {
        name: 'folder',
        to: 'folder',
        value: text('DIR'),
        help: 'what is done is kept there, with the tables; what was stopped goes on (default: runs/compare)',
      },
      ...flagsOf({
        saveModels: flag('the model of each run, beside what is kept there', { default: false }),
        sideBySide: integer('runs at once, which have the threads between them', SIDE_BY_SIDE),
      }),
    ],
  },
  ...SHARED_FLAGS,
  { title: 'Machine', flags: flagsOf(PLACEMENT_OPTIONS) },
  { title: 'Output', flags: [jsonFlag('rows with their measures by seed, and the tests')] },
];

interface Parsed
  extends ParsedFlags,
    Pick<CompareOptions, 'heads' | 'search' | 'seeds' | 'saveModels' | 'sideBySide'> {
  json?: string;
  folder?: string;
  models?: readonly string[];
  model?: NetworkFlags;
}

export const compareCommand: Command = {
  summary: 'which head is better: heads, networks and seeds, with a test of the differences',
  help: () =>
    [
      'usage: margincore compare [options]',
      '',
      'Trains every head with every network and seed, and prints one table.',
      describeFlags(FLAGS),
      '',
      'Example: margincore compare --heads softmax,arcface:m=0.3/0.5:s=16,scaled-bn --models resnet18 --data photos',
    ].join('\n'),

  async run(argv) {
    const {
      json,
      folder = 'runs/compare',
      heads,
      models,
      search,
      seeds,
      saveModels,
      sideBySide,
      ...rest
    } = parseFlags(FLAGS, argv) as Parsed;
    const { model, ...others } = rest;
    const { progress: _, ...shared } = await trainOptions(others);
    const { networks, data } = await networksOf(models, rest, shared.data);
    let shown = '';
    return await reporting(
      json,
      async (signal) => {
        const result = await compare({
          ...(shared as CompareOptions),
          ...{ folder, signal, onRun: (done) => console.error(runLine(done)) },
          onDecision: (decision) => console.error(decisionLine(decision)),
          ...(heads && { heads }),
          ...(search !== undefined && { search }),
          ...(networks && { models: networks }),
          ...(seeds !== undefined && { seeds }),
          ...(saveModels !== undefined && { saveModels }),
          ...(sideBySide !== undefined && { sideBySide }),
          ...(data !== undefined && { data }),
          command: commandOf(argv),
        });
        shown = `${comparisonText(result)}\nThe report: ${resolve(folder, 'comparison.html')}`;
        return comparisonJson(result);
      },
      () => [shown],
    );
  },
};

/** As it can be typed again. */
const commandOf = (argv: readonly string[]) =>
  [
    ...['npx', 'margincore', 'compare'],
    ...argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)),
  ].join(' ');

/** Networks with variants take theirs from the data, which is then loaded once. */
async function networksOf(
  names: readonly string[] | undefined,
  { model: options = {}, preprocessing }: Parsed,
  given: CompareOptions['data'],
): Promise<{ networks?: Record<string, ModelDescription>; data?: CompareOptions['data'] }> {
  if (names === undefined && Object.keys(options).length === 0) return {};
  const networks: Record<string, ModelDescription> = {};
  let data = given;
  for (const name of names ?? ['seedCnn']) {
    const found = await networkOptions({ ...options, name }, data as string, preprocessing);
    networks[name] = found.model;
    data = found.data ?? data;
  }
  return { networks, ...(data !== undefined && { data }) };
}
