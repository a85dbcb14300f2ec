import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { untilAborted } from '../../base/abort.js';
import { didYouMean } from '../../base/check.js';
import { text } from '../../base/notation.js';
import { flag, integer, number } from '../../base/optionTable.js';
import { datasets } from '../../data/index.js';
import { checkRecipe, type Recipe, SIDE_BY_SIDE } from '../../experiments/recipe.js';
import { type ModelOfRow, recipePicture } from '../../experiments/recipePicture.js';
import { RECIPES } from '../../experiments/recipes/index.js';
import { runLine } from '../../experiments/runLine.js';
import { dataOf, type RecipeResult, runRecipe } from '../../experiments/runRecipe.js';
import { scoringOf } from '../../experiments/scoring.js';
import { markdownTable, plainRows } from '../../experiments/table.js';
import { type Device, PLACEMENT_OPTIONS } from '../../native/backends.js';
import { RUN_OPTION_GROUPS } from '../../training/options.js';
import { describeFlags, type FlagGroup, parseFlags, UsageError } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import { jsonFlag, type OutputFlags, reporting } from '../modelFlags.js';
import { prepareFile } from '../output.js';

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Run',
    flags: [
      ...flagsOf({
        data: { ...RUN_OPTION_GROUPS.data.data, help: 'what to run on, in place of what the document used' },
        epochs: number('in place of the recipe’s length', { above: 0 }),
        steps: integer('the same in steps', { min: 1 }),
        seeds: integer('runs of each row', { min: 1, defaultText: 'the recipe’s' }),
      }),
      {
        name: 'folder',
        to: 'folder',
        value: text('DIR'),
        help: 'what is done is kept there; a stopped recipe goes on (default: runs/NAME)',
      },
      ...flagsOf({
        saveModels: flag('the model of each run, beside what is kept there', { default: false }),
        sideBySide: integer('runs at once, which have the threads between them', SIDE_BY_SIDE),
      }),
      {
        name: 'pairs',
        to: 'pairs',
        value: text('FILE'),
        help: "LFW's pairs.txt, for a recipe that is scored on pairs; its pictures are beside it",
      },
    ],
  },
  { title: 'Machine', flags: flagsOf(PLACEMENT_OPTIONS) },
  {
    title: 'Output',
    flags: [
      {
        name: 'svg',
        to: 'svg',
        value: text('FILE'),
        help: "where each row's first model puts the test images: a plane, or three principal components",
      },
      { name: 'markdown', to: 'markdown', value: text('FILE'), help: 'the table, beside standard output' },
      jsonFlag('rows with their accuracies'),
    ],
  },
];

interface Parsed extends OutputFlags {
  action: string;
  name?: string;
  data?: string;
  epochs?: number;
  steps?: number;
  seeds?: number;
  folder?: string;
  saveModels?: boolean;
  sideBySide?: number;
  pairs?: string;
  device?: Device;
  threads?: number;
  markdown?: string;
  svg?: string;
}

const ACTIONS = ['list', 'show', 'run'];

export const recipeCommand: Command = {
  summary: 'repeat the experiment of a document',
  help: () =>
    [
      'usage: margincore recipe list',
      '       margincore recipe show NAME',
      '       margincore recipe run NAME [options]',
      '',
      'NAME is one of the list, or the path of a JavaScript module whose default export is a recipe.',
      describeFlags(FLAGS),
      '',
      'Example: margincore recipe run l2-softmax-mnist --data mnist/',
    ].join('\n'),

  async run(argv) {
    const [action, ...rest] = argv;
    if (action === undefined) throw new UsageError(`recipe needs ${ACTIONS.join(', ')}`);
    if (!ACTIONS.includes(action))
      throw new UsageError(`recipe has no '${action}'. ${didYouMean(action, ACTIONS)}`);
    if (action === 'list') {
      parseFlags([], rest);
      for (const { name, summary } of RECIPES) console.log(`${name.padEnd(20)} ${summary}`);
      return 0;
    }
    const parsed = parseFlags(action === 'run' ? FLAGS : [], rest, ['name']) as unknown as Parsed;
    const recipe = await recipeNamed(parsed.name!);
    if (action === 'run') return await run(recipe, parsed);
    console.log(describe(recipe));
    return 0;
  },
};

async function run(recipe: Recipe, { name: _, ...parsed }: Parsed): Promise<number> {
  const { json, markdown, svg, folder = `runs/${recipe.name}`, pairs: pairsFile, ...given } = parsed;
  const writeTable = markdown === undefined ? undefined : await prepareFile(markdown, '--markdown');
  const writePicture = svg === undefined ? undefined : await prepareFile(svg, '--svg');
  let table = '';
  return await reporting(
    json,
    async (signal) => {
      const data = await untilAborted(dataOf(recipe, given.data), signal);
      const pairs =
        pairsFile === undefined ? undefined : await datasets.lfwPairs(dirname(pairsFile), pairsFile);
      const { shown } = scoringOf(recipe.test, data, pairs);
      if (writePicture && !shown)
        throw new UsageError('--svg: a recipe that is scored on pairs has no picture');
      const models: ModelOfRow[] = [];
      const result = await runRecipe(recipe, {
        ...given,
        ...{ data, folder, signal },
        ...(pairs && { pairs }),
        ...(writePicture && { saveModels: true }),
        onRun(done) {
          console.error(runLine(done));
          if (done.seed === 1 && done.model !== undefined) models.push({ ...done, model: done.model });
        },
      });
      table = page(recipe, result);
      await writeTable?.(table);
      // Runs that were side by side ended in any order.
      const order = result.rows.map(({ key }) => key);
      models.sort((a, b) => order.indexOf(a.key) - order.indexOf(b.key));
      if (writePicture && models.length > 0)
        await writePicture(await recipePicture(recipe.name, models, shown!));
      else if (writePicture) console.error('No picture: every first run diverged');
      return { ...result, rows: plainRows(result) };
    },
    () => [table],
  );
}

async function recipeNamed(name: string): Promise<Recipe> {
  const known = RECIPES.find((recipe) => recipe.name === name);
  if (known !== undefined) return known;
  if (existsSync(name)) return await recipeIn(name);
  const names = RECIPES.map((recipe) => recipe.name);
  throw new UsageError(
    `there is no recipe '${name}'. ${didYouMean(name, names) || `There are ${names.join(', ')}`}`,
  );
}

async function recipeIn(path: string): Promise<Recipe> {
  try {
    const module = await import(pathToFileURL(resolve(path)).href);
    if (module.default === undefined) throw new Error('it has no default export');
    return checkRecipe(module.default);
  } catch (cause) {
    throw new UsageError(
      `${path} is no module of a recipe: ${cause instanceof Error ? cause.message : cause}`,
    );
  }
}

function describe(recipe: Recipe): string {
  const { shared, rows, source, data, seeds, name, summary } = recipe;
  const plain = (value: unknown) => JSON.stringify(value, withoutLayers);
  return [
    `${name}: ${summary}`,
    `source: ${source}`,
    `data: ${data}; ${seeds} ${seeds === 1 ? 'run' : 'runs'} of each row`,
    `all rows: ${plain(shared)}`,
    ...rows.map((row) => `${plain(row.key)}: ${plain(row.options)}`),
  ].join('\n');
}

/** A network is shown by its name. */
const withoutLayers = (key: string, value: unknown) =>
  key === 'layers' && Array.isArray(value) ? `${value.length} layers` : value;

function page(recipe: Recipe, result: RecipeResult): string {
  const { seeds, data } = result;
  return [
    `${recipe.summary}.`,
    '',
    `On ${data}, ${seeds} ${seeds === 1 ? 'seed' : 'seeds'}. ${recipe.source}.`,
    '',
    markdownTable(result),
    '',
  ].join('\n');
}
