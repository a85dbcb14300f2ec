/** A published experiment as data: what is trained, and which rows its table has. */
import { checkText, isRecord } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { checkOptions, checkVariant, integer, option } from '../base/optionTable.js';
import type { DataPathOptions } from '../data/index.js';
import { resolveTrainOptions, type TrainOptions } from '../training/options.js';
import { MEASURES } from './outcome.js';

/** What a row is about, by the table's columns: `{ alpha: 10, l2Scope: 'sample' }`. */
export type RowKey = Readonly<Record<string, string | number>>;

/** A row of a recipe: its place in the table, and its options. */
export interface RecipeRow {
  readonly key: RowKey;
  /** Of the head, mostly: what tells the row from the others. As `SharedOptions`. */
  readonly options: TrainOptions;
}

/** What whoever runs a recipe chooses, and callbacks, which are no data. */
const NOT_OF_A_RECIPE = [
  ...(['data', 'seed', 'checkpoint', 'resume', 'resetHead', 'distributed'] as const),
  ...(['signal', 'progress', 'logDir', 'logEmbeddings', 'onStep', 'onEpoch'] as const),
] satisfies (keyof TrainOptions)[];

/**
 * What a recipe's rows share: `train()`'s options, but for callbacks and those that whoever runs it chooses (`data`, `seed`, `checkpoint`, `resume`,
 * `resetHead`, `distributed`, `signal`, `progress` and logs). A schedule is one of `schedules`, no function.
 */
export type SharedOptions = Omit<TrainOptions, (typeof NOT_OF_A_RECIPE)[number]>;

/** Pairs are told to be of the same or not: all pairs of classes that are not trained on, or pairs that are given. */
export type RecipeTest =
  | { readonly type: 'images' }
  /** The data's last `count` classes. */
  | { readonly type: 'unseenClasses'; readonly count: number }
  | { readonly type: 'pairs' };

const TESTS = {
  images: {},
  unseenClasses: { count: integer('', { min: 2, required: true }) },
  pairs: {},
} as const;

/** A published experiment as data: what its rows share, what tells them apart, and how often each is run. */
export interface Recipe {
  /** In kebab-case */
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** The document, and where in it. */
  readonly source: string;
  /** What the document used, for people; `run` takes whatever is given. */
  readonly data: string;
  /** How a folder is read that `run` is given: as `{ path, … }` of `train()`'s data. */
  readonly dataOptions?: DataPathOptions;
  /** What its models are scored on. Default: the data's test images. */
  readonly test?: RecipeTest;
  /** How many runs each row has, with the seeds 1, 2, … */
  readonly seeds: number;
  readonly shared: SharedOptions;
  readonly rows: readonly RecipeRow[];
}

/** How many. */
export const SEEDS = { min: 1, max: 1000 } as const;
export const SIDE_BY_SIDE = { min: 1, max: 64, default: 1 } as const;

const RECIPE = {
  name: option('', checkName, { required: true }),
  summary: option('', checkText, { required: true }),
  source: option('', checkText, { required: true }),
  data: option('', checkText, { required: true }),
  dataOptions: option('', checkRecord),
  test: option(
    '',
    (value, name) => checkVariant(value, name, TESTS, "{ type: 'unseenClasses', … }") as RecipeTest,
  ),
  seeds: integer('', { ...SEEDS, required: true }),
  shared: option('', checkRecord, { required: true }),
  rows: option('', checkRows, { required: true }),
} as const;

/** All of a run's options but those that whoever runs it chooses. */
export const optionsOf = ({ shared }: Recipe, row: RecipeRow): TrainOptions =>
  ({ ...shared, ...row.options }) as TrainOptions;

/** A recipe that anybody may have written. Throws INVALID_OPTION naming the row, also for what `train()` would refuse. */
export function checkRecipe(value: unknown): Recipe {
  const recipe = checkOptions(value, 'recipe', RECIPE) as Recipe;
  expectData(recipe.shared, 'recipe.shared');
  const columns = Object.keys(recipe.rows[0]!.key).join(', ');
  for (const [index, row] of recipe.rows.entries()) {
    if (Object.keys(row.key).join(', ') !== columns) {
      throw invalidOption(`recipe.rows[${index}].key`, `the columns ${columns}`, row.key);
    }
    expectData(row.options, `recipe.rows[${index}].options`);
    try {
      resolveTrainOptions(optionsOf(recipe, row));
    } catch (error) {
      throw invalidOption(
        `recipe.rows[${index}]`,
        'options of train()',
        row.options,
        (error as Error).message,
      );
    }
  }
  const keys = recipe.rows.map(({ key }) => JSON.stringify(key));
  const twice = keys.findIndex((key, index) => keys.indexOf(key) !== index);
  if (twice >= 0)
    throw invalidOption(`recipe.rows[${twice}].key`, 'another key than that of an earlier row', keys[twice]);
  return recipe;
}

/** A folder of runs and files is named by it. */
function checkName(value: unknown, name: string): string {
  if (typeof value === 'string' && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(value)) return value;
  throw invalidOption(name, 'a name in kebab-case', value);
}

/** What is done is told by its options from other runs, which functions are not. */
function expectData(given: object, name: string): void {
  const options = given as Readonly<Record<string, unknown>>;
  for (const key of NOT_OF_A_RECIPE) {
    if (options[key] === undefined) continue;
    throw invalidOption(`${name}.${key}`, 'no value', options[key], 'It is for whoever runs the recipe');
  }
  const { learningRate } = options;
  if (typeof learningRate !== 'function') return;
  throw invalidOption(`${name}.learningRate`, 'a number or a schedule that is plain data', learningRate);
}

function checkRecord(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (isRecord(value)) return value;
  throw invalidOption(name, 'an object of options', value);
}

function checkRows(value: unknown, name: string): readonly RecipeRow[] {
  if (!Array.isArray(value) || value.length === 0)
    throw invalidOption(name, 'a list of one or more rows', value);
  return value.map((row, index) => {
    const at = `${name}[${index}]`;
    const { key, options } = checkOptions(row, at, ROW);
    for (const [column, each] of Object.entries(key)) {
      if (column in MEASURES) throw invalidOption(`${at}.key`, 'no column of a measure', column);
      if (typeof each !== 'string' && !Number.isFinite(each)) {
        throw invalidOption(`${at}.key.${column}`, 'a finite number or a text', each);
      }
    }
    return { key: key as RowKey, options: options as TrainOptions };
  });
}

const ROW = {
  key: option('', checkRecord, { required: true }),
  options: option('', checkRecord, { required: true }),
} as const;
