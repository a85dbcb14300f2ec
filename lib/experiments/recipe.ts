/** A published experiment as data: what is trained, and which rows its table has. */
import { checkInteger, checkText, isRecord } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { checkOptions, option } from '../base/optionTable.js';
import { resolveTrainOptions, type TrainOptions } from '../training/options.js';

/** What a row is about, by the table's columns: `{ alpha: 10, l2Scope: 'sample' }`. */
export type RowKey = Readonly<Record<string, string | number>>;

export interface RecipeRow {
  readonly key: RowKey;
  /** Of the head, mostly: what tells the row from the others. */
  readonly options: TrainOptions;
}

/** What a recipe's rows share: `train()`'s options, but for what whoever runs it chooses. */
export type SharedOptions = Omit<
  TrainOptions,
  'data' | 'seed' | 'checkpoint' | 'resume' | 'signal' | 'progress'
>;

export interface Recipe {
  /** In kebab-case */
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** The document, and where in it. */
  readonly source: string;
  /** What the document used, for people; `run` takes whatever is given. */
  readonly data: string;
  /** How many runs each row has, with the seeds 1, 2, … */
  readonly seeds: number;
  readonly shared: SharedOptions;
  readonly rows: readonly RecipeRow[];
}

const RECIPE = {
  name: option('', checkText, { required: true }),
  summary: option('', checkText, { required: true }),
  source: option('', checkText, { required: true }),
  data: option('', checkText, { required: true }),
  seeds: option('', (value, name) => checkInteger(value, name, { min: 1, max: 1000 }), { required: true }),
  shared: option('', checkRecord, { required: true }),
  rows: option('', checkRows, { required: true }),
} as const;

/** All of a run's options but those that whoever runs it chooses. */
export const optionsOf = ({ shared }: Recipe, row: RecipeRow): TrainOptions =>
  ({ ...shared, ...row.options }) as TrainOptions;

/** A recipe that anybody may have written. Throws INVALID_OPTION naming the row, also for what `train()` would refuse. */
export function checkRecipe(value: unknown): Recipe {
  const recipe = checkOptions(value, 'recipe', RECIPE) as Recipe;
  const columns = Object.keys(recipe.rows[0]!.key).join(', ');
  for (const [index, row] of recipe.rows.entries()) {
    if (Object.keys(row.key).join(', ') !== columns) {
      throw invalidOption(`recipe.rows[${index}].key`, `the columns ${columns}`, row.key);
    }
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

function checkRecord(value: unknown, name: string): SharedOptions {
  if (isRecord(value)) return value as SharedOptions;
  throw invalidOption(name, 'an object of options', value);
}

function checkRows(value: unknown, name: string): readonly RecipeRow[] {
  if (!Array.isArray(value) || value.length === 0)
    throw invalidOption(name, 'a list of one or more rows', value);
  return value.map((row, index) => {
    const at = `${name}[${index}]`;
    const { key, options } = checkOptions(row, at, ROW);
    for (const [column, each] of Object.entries(key)) {
      if (typeof each !== 'string' && typeof each !== 'number') {
        throw invalidOption(`${at}.key.${column}`, 'a number or a text', each);
      }
    }
    return { key: key as RowKey, options: options as TrainOptions };
  });
}

const ROW = {
  key: option('', checkRecord, { required: true }),
  options: option('', checkRecord, { required: true }),
} as const;
