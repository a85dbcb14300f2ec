/** Runs a recipe: every row with every seed, what is done kept in a folder, so that a stopped one goes on where it was. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MarginCoreError } from '../base/errors.js';
import { resolveData } from '../data/index.js';
import type { DataInput, Dataset } from '../data/types.js';
import { lockFolder } from '../files/lock.js';
import { writeAside } from '../files/writeAside.js';
import { train } from '../train.js';
import { resolveTrainOptions, type TrainOptions } from '../training/options.js';
import type { TrainResult } from '../training/run.js';
import { checkRecipe, optionsOf, type Recipe, type RecipeRow, type RowKey } from './recipe.js';
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
  /** Called after each run. */
  onRun?(done: RunDone): void;
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

/** Of one run. */
export interface Outcome {
  /** On the test images, without margin. */
  readonly accuracy: number;
  readonly loss: number;
  /** Mean angle in degrees of a test embedding to its own class's centre, and of a centre to the nearest other. */
  readonly ownCentre?: number;
  readonly nearestOtherCentre?: number;
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

/**
 * Trains every row with every seed, all rows with one seed before the next: a table of one seed comes first.
 * @throws What `train()` throws; INVALID_DATA for data without test images; CHECKPOINT_MISMATCH for a folder with runs of another recipe,
 *   other data or another length.
 */
export async function runRecipe(recipe: Recipe, options: RecipeOptions = {}): Promise<RecipeResult> {
  const checked = checkRecipe(recipe);
  const { seeds = checked.seeds, folder, onRun } = options;
  // Before a folder is made: what it says of the length is not in the recipe.
  for (const row of checked.rows) resolveTrainOptions(settingsOf(checked, row, 1, options));
  const data = await resolveData(options.data);
  if (data.test === undefined) {
    throw new MarginCoreError('INVALID_DATA', `${data.name} has no test images, which a recipe is scored on`);
  }
  const lock = folder === undefined ? undefined : await locked(folder);
  try {
    const outcomes = checked.rows.map((): Outcome[] => []);
    const runs = seeds * checked.rows.length;
    let run = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      for (const [index, row] of checked.rows.entries()) {
        const settings = settingsOf(checked, row, seed, options);
        const { outcome, wasDone } = await done({ key: row.key, settings }, data, options);
        outcomes[index]!.push(outcome);
        run++;
        onRun?.({ key: row.key, seed, outcome, run, runs, wasDone });
      }
    }
    const rows = checked.rows.map(({ key }, index) => ({ key, ...summaryOf(outcomes[index]!) }));
    return { recipe: checked.name, data: data.name, seeds, rows };
  } finally {
    lock?.release();
  }
}

async function locked(folder: string) {
  await mkdir(folder, { recursive: true });
  return lockFolder(folder);
}

/** All that a run depends on but the data. */
function settingsOf(recipe: Recipe, row: RecipeRow, seed: number, given: RecipeOptions): TrainOptions {
  const { epochs, steps, ...options } = optionsOf(recipe, row);
  const isGiven = given.epochs !== undefined || given.steps !== undefined;
  const length = isGiven
    ? {
        ...(given.epochs !== undefined && { epochs: given.epochs }),
        ...(given.steps !== undefined && { steps: given.steps }),
      }
    : { ...(epochs !== undefined && { epochs }), ...(steps !== undefined && { steps }) };
  return { ...(options as TrainOptions), ...length, seed };
}

async function done(
  row: { readonly key: RowKey; readonly settings: TrainOptions },
  data: Dataset,
  { folder, device, threads, signal }: RecipeOptions,
): Promise<{ outcome: Outcome; wasDone: boolean }> {
  const { key, settings } = row;
  const around = {
    ...(device !== undefined && { device }),
    ...(threads !== undefined && { threads }),
    ...(signal !== undefined && { signal }),
    ...{ data, progress: false },
  };
  if (folder === undefined)
    return { outcome: outcomeOf(await train({ ...settings, ...around })), wasDone: false };
  const name = nameOf(key, settings.seed!);
  const identity = identityOf(settings, data);
  const file = join(folder, `${name}.json`);
  const kept = await readKept(file);
  if (kept !== undefined) {
    if (kept.identity === identity) return { outcome: kept.outcome, wasDone: true };
    throw new MarginCoreError(
      'CHECKPOINT_MISMATCH',
      `${file} is of another run: of other options, another length or other data. Take another folder`,
      { details: { path: file } },
    );
  }
  const checkpoint = join(folder, name);
  const outcome = outcomeOf(await train({ ...settings, ...around, checkpoint, resume: true }));
  await writeAside(file, async (handle) => {
    await handle.writeFile(`${JSON.stringify({ key, seed: settings.seed, identity, outcome }, null, 2)}\n`);
  });
  await rm(checkpoint, { recursive: true });
  return { outcome, wasDone: false };
}

function outcomeOf({ model, test, angles }: TrainResult): Outcome {
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

/** As files may be called. */
const nameOf = (key: RowKey, seed: number) =>
  [...Object.entries(key).map(([column, value]) => `${column}-${value}`), `seed-${seed}`]
    .join('_')
    .replaceAll(/[^\w.-]/g, '-');

function identityOf(settings: TrainOptions, { name, train: { images, labels }, test }: Dataset): string {
  const hash = createHash('sha256').update(
    JSON.stringify([settings, name, images.shape, test!.images.shape]),
  );
  for (const bytes of [labels, test!.labels]) hash.update(bytes);
  return hash.digest('hex');
}

async function readKept(path: string): Promise<{ identity: string; outcome: Outcome } | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MarginCoreError('FILE_CORRUPT', `${path} is no JSON`, { cause, details: { path } });
  }
}
