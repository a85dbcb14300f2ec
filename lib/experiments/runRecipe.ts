/** Runs a recipe: every row with every seed, what is done kept in a folder, so that a stopped one goes on where it was. */
import { isPromise } from 'node:util/types';
import { untilAborted } from '../base/abort.js';
import { checkPath, checkSignal } from '../base/check.js';
import { MarginCoreError } from '../base/errors.js';
import { callback, checkOptions, integer, option } from '../base/optionTable.js';
import { resolveData } from '../data/index.js';
import type { DataInput } from '../data/types.js';
import { train } from '../train.js';
import { resolveTrainOptions, type TrainOptions } from '../training/options.js';
import { checkRecipe, optionsOf, type Recipe, type RecipeRow, type RowKey, SEEDS } from './recipe.js';
import { type Outcome, Shelf } from './shelf.js';
import { meanAndStd, type Spread } from './spread.js';

export interface RecipeOptions {
  /** As `train()` takes it. Default: the bundled sample. */
  readonly data?: DataInput | Promise<DataInput> | string;
  /** In place of the recipe's length. */
  readonly epochs?: number;
  readonly steps?: number;
  /** Runs of each row, with the seeds 1, 2, … Default: the recipe's. */
  readonly seeds?: number;
  /** What is done is kept there, and taken from there: a stopped recipe goes on. Default: nowhere. */
  readonly folder?: string;
  readonly device?: NonNullable<TrainOptions['device']>;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** Called after each run; what it returns is awaited, and what it throws ends the recipe. */
  onRun?(done: RunDone): unknown;
}

export interface RunDone {
  readonly key: RowKey;
  readonly seed: number;
  readonly outcome: Outcome;
  /** 1 … `runs` */
  readonly run: number;
  readonly runs: number;
  /** Taken from the folder. */
  readonly wasDone: boolean;
}

export interface RecipeResultRow {
  readonly key: RowKey;
  readonly accuracy: Spread;
  readonly ownCentre?: Spread;
  readonly nearestOtherCentre?: Spread;
}

export interface RecipeResult {
  readonly recipe: string;
  /** What it was run on. */
  readonly data: string;
  readonly seeds: number;
  readonly rows: readonly RecipeResultRow[];
}

/** Looked at as an option of `train()`. */
const ofTrain = <K extends keyof RecipeOptions>() =>
  option('', (value) => value as NonNullable<RecipeOptions[K]>);

const OPTIONS = {
  data: ofTrain<'data'>(),
  epochs: ofTrain<'epochs'>(),
  steps: ofTrain<'steps'>(),
  device: ofTrain<'device'>(),
  threads: ofTrain<'threads'>(),
  seeds: integer('', SEEDS),
  folder: option('', checkPath),
  signal: option('', checkSignal),
  onRun: callback<NonNullable<RecipeOptions['onRun']>>(''),
} as const;

/**
 * Trains every row with every seed, all rows with one seed before the next: a table of one seed comes first.
 * @throws What `train()` throws; INVALID_DATA for data without test images; CHECKPOINT_MISMATCH for a folder with runs of
 *   other options, other data or another length; FILE_CORRUPT for what is kept there and cannot be read.
 */
export async function runRecipe(recipe: Recipe, options: RecipeOptions = {}): Promise<RecipeResult> {
  if (isPromise(options?.data)) options.data.catch(() => undefined); // as in train()
  const checked = checkRecipe(recipe);
  const {
    onRun,
    signal,
    folder,
    seeds = checked.seeds,
    ...given
  } = checkOptions(options, undefined, OPTIONS);
  const around = { ...placeOf(given), ...(signal !== undefined && { signal }), progress: false };
  const settings = checked.rows.map((row) => ({ ...settingsOf(checked, row, given), ...around }));
  for (const each of settings) resolveTrainOptions(each);
  signal?.throwIfAborted();
  const data = await untilAborted(resolveData(given.data), signal);
  if (data.test === undefined) {
    throw new MarginCoreError('INVALID_DATA', `${data.name} has no test images, which a recipe is scored on`);
  }
  const shelf = folder === undefined ? undefined : await Shelf.open(folder, data, signal);
  try {
    const outcomes = checked.rows.map((): Outcome[] => []);
    const runs = seeds * checked.rows.length;
    let run = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      for (const [index, { key }] of checked.rows.entries()) {
        signal?.throwIfAborted();
        const wanted = { ...settings[index]!, seed };
        const kept = await shelf?.find(key, wanted);
        const outcome = kept ?? (await outcomeOf({ ...wanted, ...shelf?.checkpoints(key, seed), data }));
        if (kept === undefined) await shelf?.keep(key, wanted, outcome);
        outcomes[index]!.push(outcome);
        run++;
        await onRun?.({ key, seed, outcome, run, runs, wasDone: kept !== undefined });
      }
    }
    const rows = checked.rows.map(({ key }, index) => ({ key, ...summaryOf(outcomes[index]!) }));
    return { recipe: checked.name, data: data.name, seeds, rows };
  } finally {
    shelf?.close();
  }
}

function placeOf({ device, threads }: RecipeOptions): Pick<TrainOptions, 'device' | 'threads'> {
  return { ...(device !== undefined && { device }), ...(threads !== undefined && { threads }) };
}

/** The row's options, of the length that is given. */
function settingsOf(recipe: Recipe, row: RecipeRow, { epochs, steps }: RecipeOptions): TrainOptions {
  const options = optionsOf(recipe, row);
  if (epochs === undefined && steps === undefined) return options;
  return { ...options, epochs, steps } as TrainOptions;
}

async function outcomeOf(options: TrainOptions): Promise<Outcome> {
  const { model, test, angles } = await train(options);
  model.dispose();
  return {
    ...test!,
    ...(angles && { ownCentre: angles.ownCentreMean, nearestOtherCentre: angles.nearestOtherCentreMean }),
  };
}

function summaryOf(outcomes: readonly Outcome[]): Omit<RecipeResultRow, 'key'> {
  const spreadOf = (name: 'ownCentre' | 'nearestOtherCentre') => {
    const values = outcomes.flatMap(({ [name]: value }) => (value === undefined ? [] : [value]));
    return values.length === outcomes.length ? { [name]: meanAndStd(values) } : {};
  };
  return {
    accuracy: meanAndStd(outcomes.map(({ accuracy }) => accuracy)),
    ...spreadOf('ownCentre'),
    ...spreadOf('nearestOtherCentre'),
  };
}
