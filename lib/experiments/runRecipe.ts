/** Runs a recipe: every row with every seed, what is done kept in a folder, so that a stopped one goes on where it was. */
import { isPromise } from 'node:util/types';
import { untilAborted } from '../base/abort.js';
import { checkPath, checkSignal, isRecord } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';
import { callback, checkOptions, flag, integer, option } from '../base/optionTable.js';
import type { PicturePair } from '../data/formats/lfwPairs.js';
import { type DataOption, type DataPath, type Dataset, resolveData } from '../data/index.js';
import type { Model } from '../model/model.js';
import { selectDevice } from '../native/backends.js';
import { train } from '../train.js';
import { resolveTrainOptions, type TrainOptions } from '../training/options.js';
import { type Analysis, analyse } from './analysis.js';
import { withLength } from './length.js';
import { MEASURE_NAMES, type MeasureName, type Outcome } from './outcome.js';
import { checkRecipe, optionsOf, type Recipe, type RowKey, SEEDS, SIDE_BY_SIDE } from './recipe.js';
import { type Scoring, scoringOf } from './scoring.js';
import { type KeptRun, Shelf } from './shelf.js';
import { sideBySide, type Task } from './sideBySide.js';
import { meanAndStd, type Spread } from './spread.js';

/** How `runRecipe` runs a recipe. */
export interface RecipeOptions {
  /** As `train()` takes it; a path is read as the recipe has it. Default: the bundled sample. */
  readonly data?: DataOption;
  /** In place of the recipe's length; its rate and λ then fall at the same parts of it. */
  readonly epochs?: number;
  readonly steps?: number;
  /** Runs of each row, with the seeds 1, 2, … Default: the recipe's. */
  readonly seeds?: number;
  /** What is done is kept there, and taken from there: a stopped recipe goes on. Its `logs` are what `logDir` writes of each run. Default: nowhere. */
  readonly folder?: string;
  /** Save each run's model there as well, for `Model.load`. Default false. */
  readonly saveModels?: boolean;
  /** For pictures, of the first seed's runs: see `RunDone.analysis`. Default false. */
  readonly analyse?: boolean;
  /** What a recipe that is scored on pairs is scored on: those of `datasets.lfwPairs`, or others. */
  readonly pairs?: readonly PicturePair[];
  readonly device?: NonNullable<TrainOptions['device']>;
  /** Of each run. Default: those of `train()`, divided among the runs that are side by side. */
  readonly threads?: number;
  /**
   * Runs at once, of small networks on many cores or on a card that one of them does not fill. One that finds no memory beside others waits for
   * them. Results are the same, but for the last bits where the number of threads is another. Default 1.
   */
  readonly sideBySide?: number;
  readonly signal?: AbortSignal;
  /** Called after each run; what it returns is awaited, and what it throws ends the recipe. */
  onRun?(done: RunDone): unknown;
}

/** A run of a recipe that has ended, or was done before. */
export interface RunDone {
  readonly key: RowKey;
  readonly seed: number;
  readonly outcome: Outcome;
  /** 1 … `runs` */
  readonly run: number;
  readonly runs: number;
  /** Taken from the folder. */
  readonly wasDone: boolean;
  /** With `analyse`, of the first seed, unless it diverged or is scored on pairs. */
  readonly analysis?: Analysis;
  /** Its file; with `saveModels`, of a run that did not diverge. */
  readonly model?: string;
}

/** Each measure over the row's runs; one that is not there could not be taken in all of them. */
export type RecipeResultRow = { readonly [M in MeasureName]?: Spread } & {
  readonly key: RowKey;
  /** The runs that diverged, by their seeds. Measures are those of the others. */
  readonly diverged?: readonly number[];
  /** Test images of all seeds by class (row) and by what they were taken for (column); up to 100 classes. */
  readonly confusion?: readonly (readonly number[])[];
};

/** What `runRecipe` resolves to. */
export interface RecipeResult {
  readonly recipe: string;
  /** What it was run on. */
  readonly data: string;
  readonly seeds: number;
  /** As the model and the pairs or confusions have them. */
  readonly classNames: readonly string[];
  readonly rows: readonly RecipeResultRow[];
}

/** Looked at as an option of `train()`. */
const ofTrain = <K extends keyof RecipeOptions>() =>
  option('', (value) => value as NonNullable<RecipeOptions[K]>);

function checkPairs(value: unknown, name: string): readonly PicturePair[] {
  const isPair = (each: unknown) =>
    isRecord(each) &&
    typeof each.a === 'string' &&
    typeof each.b === 'string' &&
    typeof each.same === 'boolean';
  if (Array.isArray(value) && value.every(isPair)) return value as PicturePair[];
  throw invalidOption(name, 'a list of { a, b, same }: two paths, and whether they show the same,', value);
}

const OPTIONS = {
  data: ofTrain<'data'>(),
  epochs: ofTrain<'epochs'>(),
  steps: ofTrain<'steps'>(),
  device: ofTrain<'device'>(),
  threads: ofTrain<'threads'>(),
  seeds: integer('', SEEDS),
  sideBySide: integer('', SIDE_BY_SIDE),
  folder: option('', checkPath),
  saveModels: flag('', { default: false }),
  analyse: flag('', { default: false }),
  pairs: option('', checkPairs),
  signal: option('', checkSignal),
  onRun: callback<NonNullable<RecipeOptions['onRun']>>(''),
} as const;

/**
 * Trains every row with every seed, all rows with one seed before the next: a table of one seed comes first.
 * @throws What `train()` throws; INVALID_DATA for data that cannot be scored as the recipe is: without test images, of too few
 *   classes, without pairs; CHECKPOINT_MISMATCH for a folder with runs of
 *   other options, other data or another length; FILE_CORRUPT for what is kept there and cannot be read.
 */
export async function runRecipe(recipe: Recipe, options: RecipeOptions = {}): Promise<RecipeResult> {
  if (isPromise(options?.data)) options.data.catch(() => undefined); // as in train()
  const checked = checkRecipe(recipe);
  const settingsGiven = checkOptions(options, undefined, OPTIONS);
  const {
    onRun,
    signal,
    folder,
    saveModels,
    analyse: wantsAnalyses,
    pairs,
    seeds = checked.seeds,
    sideBySide: atOnce,
    ...given
  } = settingsGiven;
  const place = { ...placeOf(given), progress: false };
  const { epochs, steps } = given;
  const ofLength = epochs === undefined && steps === undefined ? {} : { epochs, steps };
  for (const row of checked.rows) {
    resolveTrainOptions({ ...optionsOf(checked, row), ...ofLength, ...place } as TrainOptions);
  }
  signal?.throwIfAborted();
  if (saveModels && folder === undefined) throw invalidOption('saveModels', 'false without a folder', true);
  const data = await untilAborted(dataOf(checked, given.data), signal);
  const scoring = scoringOf(checked.test, data, pairs);
  const images = scoring.data.train.labels.length;
  const around = { ...place, ...(await threadsOfEach(given, atOnce)) };
  const settings = checked.rows.map((row) => ({
    ...withLength(optionsOf(checked, row), ofLength, images),
    ...around,
  }));
  const shelf =
    folder === undefined ? undefined : await Shelf.open(folder, await scoring.identity(signal), saveModels);
  try {
    const outcomes = checked.rows.map((): Outcome[] => []);
    const runs = seeds * checked.rows.length;
    let run = 0;
    const taskOf =
      (seed: number, index: number): Task =>
      async (stop) => {
        const { key } = checked.rows[index]!;
        const wanted = { ...settings[index]!, seed, signal: stop };
        const kept = await shelf?.find(key, wanted);
        const isAnalysed = wantsAnalyses && seed === 1;
        const trained = kept ?? (await runOf(scoring, key, wanted, isAnalysed, shelf));
        if (kept === undefined) await shelf?.keep(key, wanted, trained);
        const { outcome, analysis } = trained;
        outcomes[index]![seed - 1] = outcome;
        run++;
        const model = outcome.diverged === undefined ? shelf?.modelFile(key, seed) : undefined;
        const done = { key, seed, outcome, run, runs, wasDone: kept !== undefined };
        await onRun?.({
          ...done,
          ...(isAnalysed && analysis && { analysis }),
          ...(model !== undefined && { model }),
        });
      };
    const tasks = Array.from({ length: seeds }, (_, seed) =>
      checked.rows.map((_row, index) => taskOf(seed + 1, index)),
    ).flat();
    await sideBySide(tasks, atOnce, signal);
    const rows = checked.rows.map(({ key }, index) => ({ key, ...summaryOf(outcomes[index]!) }));
    const { name, classNames } = scoring.data;
    return { recipe: checked.name, data: name, seeds, classNames, rows };
  } finally {
    shelf?.close();
  }
}

/** A path is read as the recipe has it. */
export function dataOf({ dataOptions }: Recipe, data: DataOption | undefined): Promise<Dataset> {
  return resolveData(typeof data === 'string' ? ({ ...dataOptions, path: data } as DataPath) : data);
}

function placeOf({ device, threads }: RecipeOptions): Pick<TrainOptions, 'device' | 'threads'> {
  return { ...(device !== undefined && { device }), ...(threads !== undefined && { threads }) };
}

/** Runs that are side by side have the threads between them. */
async function threadsOfEach({ device = 'auto', threads }: RecipeOptions, atOnce: number) {
  if (atOnce === 1 || threads !== undefined) return {};
  const all = (await selectDevice(device)).threads;
  return { threads: Math.max(1, Math.floor(all / atOnce)) };
}

/** One that diverges is an outcome as well: the others go on. */
async function runOf(
  { data, shown, score }: Scoring,
  key: RowKey,
  options: TrainOptions,
  isAnalysed: boolean,
  shelf: Shelf | undefined,
): Promise<KeptRun> {
  try {
    const result = await train({ ...options, ...shelf?.places(key, options.seed!), data });
    try {
      const file = shelf?.modelFile(key, options.seed!);
      if (file !== undefined) await result.model.save(file);
      const outcome = await score(result, options.signal);
      if (!isAnalysed || shown === undefined) return { outcome };
      const isOfClasses = shown.classNames === data.classNames;
      return { outcome, analysis: await analyse(result, shown.split, isOfClasses, options.signal) };
    } finally {
      result.model.dispose();
    }
  } catch (error) {
    if (!(error instanceof MarginCoreError && error.code === 'NON_FINITE')) throw error;
    (error.details.model as Model | undefined)?.dispose();
    return { outcome: { diverged: error.message } };
  }
}

/** @param outcomes By seed, from 1 on */
function summaryOf(outcomes: readonly Outcome[]): Omit<RecipeResultRow, 'key'> {
  const diverged = outcomes.flatMap((outcome, index) => (outcome.diverged === undefined ? [] : [index + 1]));
  const ended = outcomes.filter((outcome) => outcome.diverged === undefined);
  const measures = MEASURE_NAMES.flatMap((name) => {
    const values = ended.flatMap(({ [name]: value }) => (value === undefined ? [] : [value]));
    return values.length > 0 && values.length === ended.length ? [[name, meanAndStd(values)] as const] : [];
  });
  const confusion = sumOf(ended.flatMap(({ confusion: table }) => (table === undefined ? [] : [table])));
  return {
    ...Object.fromEntries(measures),
    ...(diverged.length > 0 && { diverged }),
    ...(confusion !== undefined && { confusion }),
  };
}

type Counts = readonly (readonly number[])[];

function sumOf([first, ...others]: readonly Counts[]): Counts | undefined {
  return first?.map((row, i) =>
    row.map((count, j) => others.reduce((sum, other) => sum + other[i]![j]!, count)),
  );
}
