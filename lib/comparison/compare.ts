/** Which head is better on the user's own data: every head with every network and seed, beside plain softmax. */
import { join } from 'node:path';
import { isPromise } from 'node:util/types';
import { untilAborted } from '../base/abort.js';
import { isRecord } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { callback, checkOptions, flag, integer } from '../base/optionTable.js';
import type { Dataset } from '../data/types.js';
import type { Analysis } from '../experiments/analysis.js';
import {
  checkRecipe,
  optionsOf,
  type Recipe,
  type RowKey,
  SEEDS,
  type SharedOptions,
  SIDE_BY_SIDE,
} from '../experiments/recipe.js';
import { dataOf, type RecipeOptions, type RecipeResultRow, runRecipe } from '../experiments/runRecipe.js';
import { checkModel, type ModelDescription, models as networks } from '../networks/index.js';
import { resolveTrainOptions, type TrainOptions } from '../training/options.js';
import type { Comparison, ComparisonRow } from './comparison.js';
import { type GridRow, gridRows, type HeadChoice } from './grid.js';
import { keepComparison } from './keepComparison.js';
import { holm, type PairedTest, pairedTest } from './pairedTest.js';
import { type SearchDecision, search } from './search.js';

/** Everything else is an option of `train()` that all runs share; those of a head are the heads' own. */
export interface CompareOptions
  extends Omit<SharedOptions, 'head' | 'model' | keyof RecipeOptions>,
    Omit<RecipeOptions, 'pairs'> {
  /** Default: softmax, arcface, am-softmax and scaled-bn, with all defaults. */
  readonly heads?: readonly HeadChoice[];
  /** By the names that the table has. Default: `models.seedCnn()`. */
  readonly models?: Readonly<Record<string, ModelDescription>>;
  /** Runs of each row, with the seeds 1, 2, … Default 3. */
  readonly seeds?: number;
  /**
   * What is done is kept there, so that a comparison that was stopped goes on; and in the end comparison.html (a page that needs no
   * other file), .md, .csv and .json. Default: nowhere.
   */
  readonly folder?: string;
  /**
   * First search among the rows of each head and network by successive halving, on a tenth of the training images that is held out, and compare
   * those that are left, one of each. Heads that are given by name alone are sought among margins and scales around their papers'. Default false.
   */
  readonly search?: boolean;
  /** What the page says that it can be repeated by. */
  readonly command?: string;
  /** Called for each candidate of a round of the search; what it returns is awaited, and what it throws ends the comparison. */
  onDecision?(decision: SearchDecision): unknown;
}

const DEFAULT_HEADS: readonly HeadChoice[] = ['softmax', 'arcface', 'am-softmax', 'scaled-bn'];
const DEFAULT_SEEDS = 3;

/**
 * Trains every head with every network and seed, all with one seed before the next. With a `folder` a comparison that was
 * stopped goes on where it was.
 * @throws What `runRecipe` throws, and INVALID_OPTION for heads, models or options of `train()`.
 */
export async function compare(options: CompareOptions = {}): Promise<Comparison> {
  const plan = planOf(options);
  const { running, command, onDecision } = plan;
  const { folder, signal } = running;
  running.signal?.throwIfAborted();
  if (isPromise(running.data)) running.data.catch(() => undefined); // as in train()
  const data = await untilAborted(dataOf(plan.recipe, running.data), signal);
  const found = plan.isSearch ? await searched(plan, data, onDecision) : undefined;
  const rows = found?.rows ?? plan.rows;
  const recipe = { ...plan.recipe, rows };
  const analyses = new Map<string, Analysis>();
  const result = await runRecipe(recipe, {
    ...running,
    ...{ data, analyse: true },
    onRun(done) {
      if (done.analysis) analyses.set(nameOf(done.key), done.analysis);
      return running.onRun?.(done);
    },
  });
  const tested = withTests(rows, result.rows);
  const comparison: Comparison = {
    ...result,
    ...(found && { search: found.decisions }),
    rows: tested.map((row) => {
      const analysis = analyses.get(nameOf(row.key));
      return { ...row, ...(analysis && { analysis }) };
    }),
  };
  if (folder !== undefined) {
    const settings = rows.map((row) => settingsShown(optionsOf(recipe, row)));
    await keepComparison(
      folder,
      { comparison, images: data.test!.images, options: settings, ...(command !== undefined && { command }) },
      signal,
    );
  }
  return comparison;
}

const nameOf = (key: RowKey) => JSON.stringify(key);

function searched({ recipe, rows, running }: Plan, data: Dataset, onDecision: CompareOptions['onDecision']) {
  const { device, threads, sideBySide, signal, folder } = running;
  return search({
    ...{ recipe, rows, data },
    running: definedOf({ device, threads, sideBySide, signal }),
    folderOf: (round) => (folder === undefined ? undefined : join(folder, `search-${round}`)),
    ...(onDecision && { onDecision }),
  });
}

interface Plan extends Pick<CompareOptions, 'onDecision'> {
  readonly recipe: Recipe;
  readonly rows: readonly GridRow[];
  readonly isSearch: boolean;
  readonly running: RecipeOptions;
  readonly command: string | undefined;
}

/** What will be run, checked: before any data is read. */
export function planOf(options: CompareOptions): Plan {
  if (!isRecord(options as unknown)) throw invalidOption('options', 'an object of options', options);
  const { heads = DEFAULT_HEADS, models = { seedCnn: networks.seedCnn() }, ...rest } = options;
  const {
    command,
    search: isSearch = false,
    onDecision,
    data,
    seeds = DEFAULT_SEEDS,
    folder,
    saveModels,
    device,
    threads,
    sideBySide,
    signal,
    onRun,
    ...shared
  } = rest;
  if (!Array.isArray(heads) || heads.length === 0)
    throw invalidOption('heads', 'a list of one or more heads', heads);
  if (!isRecord(models as unknown) || Object.keys(models).length === 0)
    throw invalidOption('models', 'one or more networks by name', models);
  for (const [name, model] of Object.entries(models)) checkModel(model, `models.${name}`);
  checkOptions({ seeds, sideBySide, search: isSearch, onDecision }, undefined, CHECKED);
  const rows = gridRows(heads, models, isSearch);
  const recipe: Recipe = {
    name: 'comparison',
    summary: 'Heads compared',
    source: 'options',
    data: 'given',
    seeds,
    shared: shared as SharedOptions,
    rows,
  };
  // First as they were given: then an error names them so.
  for (const row of rows) resolveTrainOptions(optionsOf(recipe, row));
  checkRecipe(recipe);
  const running = { data, seeds, folder, saveModels, device, threads, sideBySide, signal, onRun };
  return {
    ...{ recipe, rows, isSearch, command, running: definedOf(running) as RecipeOptions },
    ...(onDecision && { onDecision }),
  };
}

const CHECKED = {
  seeds: integer('', SEEDS),
  sideBySide: integer('', SIDE_BY_SIDE),
  search: flag(''),
  onDecision: callback<NonNullable<CompareOptions['onDecision']>>(''),
} as const;

const definedOf = (values: object) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

/** All of them, defaults included; a network by its name. */
function settingsShown(options: TrainOptions): Readonly<Record<string, unknown>> {
  const { progress, device, threads, model, ...settings } = resolveTrainOptions(options);
  return { ...settings, model: model.name };
}

function withTests(grid: readonly GridRow[], results: readonly RecipeResultRow[]): ComparisonRow[] {
  const tests = results.map((row, index) => {
    const base = grid.findIndex((each) => isPlain(each) && each.key.network === grid[index]!.key.network);
    return base < 0 || base === index ? undefined : bySeed(row, results[base]!);
  });
  const corrected = holm(tests.map((test) => test?.p));
  return results.map((row, index) => {
    const [test, pCorrected] = [tests[index], corrected[index]];
    const key = grid[index]!.key;
    return { ...row, key, ...(test && { againstSoftmax: { ...test, pCorrected: pCorrected! } }) };
  });
}

const isPlain = ({ options }: GridRow) =>
  Object.entries(options as TrainOptions).every(([key, value]) => key === 'model' || value === 'softmax');

/** Over the seeds of which both ended. */
function bySeed(row: RecipeResultRow, base: RecipeResultRow): PairedTest | undefined {
  const [values, others] = [accuracies(row), accuracies(base)];
  const seeds = [...values.keys()].filter((seed) => others.has(seed));
  return pairedTest(
    seeds.map((seed) => values.get(seed)!),
    seeds.map((seed) => others.get(seed)!),
  );
}

function accuracies({ accuracy, diverged = [] }: RecipeResultRow): Map<number, number> {
  const { values } = accuracy ?? { values: [] };
  const seeds = Array.from({ length: values.length + diverged.length }, (_, index) => index + 1);
  const ended = seeds.filter((seed) => !diverged.includes(seed));
  return new Map(values.map((value, index) => [ended[index]!, value]));
}
