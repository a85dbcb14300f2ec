/** Heads, their options and networks, each with each, as rows of a table. */
import { isRecord } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import type { RecipeRow } from '../experiments/recipe.js';
import type { HeadOptions } from '../heads/options.js';
import { checkHeadName } from '../heads/resolve.js';
import type { ModelDescription } from '../networks/description.js';
import type { TrainOptions } from '../training/options.js';
import { CANDIDATES } from './candidates.js';

/** A head's name, or its options; of a value that is a list each is tried: `{ head: 'arcface', m: [0.3, 0.5], s: [16, 30] }` is four rows. */
export type HeadChoice = NonNullable<HeadOptions['head']> | Varied<HeadOptions>;

type Varied<T> = T extends unknown
  ? {
      readonly [K in keyof T]: K extends 'head' | 'classWeights' ? T[K] : T[K] | readonly NonNullable<T[K]>[];
    }
  : never;

/** What is a list by itself. */
const LISTS: readonly string[] = ['classWeights'];

export interface GridRow extends RecipeRow {
  readonly key: { readonly network?: string; readonly head: string };
}

/**
 * @param networks By the names they have in the table; the name of a single one is not in it.
 * @param isSearch A head that is given by its name alone is all its candidates.
 * @throws INVALID_OPTION
 */
export function gridRows(
  heads: readonly HeadChoice[],
  networks: Readonly<Record<string, ModelDescription>>,
  isSearch = false,
): GridRow[] {
  const choices = heads.flatMap((head, index) => {
    const candidates =
      isSearch && typeof head === 'string' ? { head, ...CANDIDATES[checkHeadName(head)] } : head;
    return variantsOf(candidates, `heads[${index}]`);
  });
  const several = Object.keys(networks).length > 1;
  return Object.entries(networks).flatMap(([network, model]) =>
    choices.map((options) => ({
      key: { ...(several && { network }), head: labelOf(options) },
      options: { ...options, model } as TrainOptions,
    })),
  );
}

type Given = Readonly<Record<string, unknown>>;

function variantsOf(choice: unknown, name: string): Given[] {
  if (typeof choice === 'string') return [{ head: checkHeadName(choice) }];
  if (!isRecord(choice)) throw invalidOption(name, 'the name of a head, or its options', choice);
  const head = checkHeadName(choice.head);
  let variants: Given[] = [{ head }];
  for (const [key, value] of Object.entries(choice)) {
    if (key === 'head' || value === undefined) continue;
    const values = Array.isArray(value) && !LISTS.includes(key) ? value : [value];
    if (values.length === 0) throw invalidOption(`${name}.${key}`, 'one or more values', value);
    variants = variants.flatMap((variant) => values.map((each) => ({ ...variant, [key]: each })));
  }
  return variants;
}

/** What tells it from the others: 'arcface (m = 0.5, s = 30)'. */
function labelOf({ head, ...options }: Given): string {
  const said = Object.entries(options).map(([key, value]) => `${key} = ${shown(value)}`);
  return said.length === 0 ? String(head) : `${head} (${said.join(', ')})`;
}

const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
