/**
 * Which values of a head's options are worth whole runs: successive halving (Jamieson & Talwalkar 2016, "Non-stochastic Best Arm
 * Identification and Hyperparameter Optimization"). All candidates of a head run a short time, a third of them three times as long, and so
 * on, until one is left. What decides is accuracy on training images that are held out: test images are for the table alone.
 */
import { MarginCoreError } from '../base/errors.js';
import { chosen, holdOut } from '../data/samples.js';
import type { Dataset } from '../data/types.js';
import { optionsOf, type Recipe } from '../experiments/recipe.js';
import { type RecipeOptions, type RunDone, runRecipe } from '../experiments/runRecipe.js';
import { resolveTrainOptions } from '../training/options.js';
import type { GridRow } from './grid.js';

/** What a round came to for one candidate. */
export interface SearchDecision {
  /** From 1 */
  readonly round: number;
  readonly key: GridRow['key'];
  /** Of its run in this round */
  readonly steps: number;
  /** On held-out training images; undefined where the run diverged. */
  readonly accuracy?: number;
  /** Whether it is in the next round, or in the comparison itself. */
  readonly isKept: boolean;
}

export interface SearchInput {
  readonly recipe: Recipe;
  readonly rows: readonly GridRow[];
  readonly data: Dataset;
  readonly running: Omit<RecipeOptions, 'data' | 'seeds' | 'folder' | 'saveModels' | 'onRun'>;
  /** Of each round */
  folderOf(round: number): string | undefined;
  onRun?(done: RunDone): unknown;
  onDecision?(decision: SearchDecision): unknown;
}

/** One of so many goes on, so many times as long. */
const FACTOR = 3;
const HELD_OUT = 0.1;

/** The rows that are left, one for each head and network, and how that came. */
export async function search(input: SearchInput): Promise<{ rows: GridRow[]; decisions: SearchDecision[] }> {
  const { recipe, data, running, onRun, onDecision } = input;
  let groups = groupsOf(input.rows);
  const rounds = roundsFor(Math.max(...groups.map(({ length }) => length)));
  if (rounds === 0) return { rows: [...input.rows], decisions: [] };
  const held = heldOut(data);
  const whole = wholeRun(recipe, input.rows[0]!, held);
  const decisions: SearchDecision[] = [];
  for (let round = 1; round <= rounds; round++) {
    const steps = Math.min(
      whole.steps,
      Math.max(whole.epoch, Math.round(whole.steps / FACTOR ** (rounds - round + 1))),
    );
    const rows = groups.filter(({ length }) => length > 1).flat();
    const folder = input.folderOf(round);
    const result = await runRecipe(
      { ...recipe, rows },
      {
        ...running,
        data: held,
        steps,
        seeds: 1,
        ...(folder !== undefined && { folder }),
        ...(onRun && { onRun }),
      },
    );
    const accuracyOf = new Map(rows.map((row, index) => [row, result.rows[index]!.accuracy?.mean]));
    groups = groups.map((group) => (group.length > 1 ? best(group, accuracyOf) : group));
    const kept = new Set(groups.flat());
    for (const row of rows) {
      const accuracy = accuracyOf.get(row);
      const decision = {
        round,
        key: row.key,
        steps,
        ...(accuracy !== undefined && { accuracy }),
        isKept: kept.has(row),
      };
      decisions.push(decision);
      await onDecision?.(decision);
    }
  }
  return { rows: groups.flat(), decisions };
}

/** Candidates among which one is sought: those of a head with a network. */
function groupsOf(rows: readonly GridRow[]): GridRow[][] {
  const groups = new Map<string, GridRow[]>();
  for (const row of rows) {
    const name = JSON.stringify([row.key.network, row.options.head]);
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups.values()];
}

function roundsFor(candidates: number): number {
  let rounds = 0;
  for (let left = candidates; left > 1; left = Math.ceil(left / FACTOR)) rounds++;
  return rounds;
}

/** Steps of a whole run, and of an epoch. */
function wholeRun(recipe: Recipe, row: GridRow, { train }: Dataset): { steps: number; epoch: number } {
  const { batchSize, steps, epochs } = resolveTrainOptions(optionsOf(recipe, row));
  const epoch = Math.ceil(train.labels.length / batchSize);
  return { epoch, steps: steps ?? Math.ceil(epochs * epoch) };
}

/** A third, in the order that they had; of equals the first. */
function best(group: GridRow[], accuracyOf: ReadonlyMap<GridRow, number | undefined>): GridRow[] {
  const scoreOf = (row: GridRow) => accuracyOf.get(row) ?? Number.NEGATIVE_INFINITY;
  const ranked = group.toSorted((a, b) => scoreOf(b) - scoreOf(a));
  const kept = new Set(ranked.slice(0, Math.ceil(group.length / FACTOR)));
  return group.filter((row) => kept.has(row));
}

/** Some of the training images take the place of the test images. Throws INVALID_DATA where no class has enough. */
function heldOut(data: Dataset): Dataset {
  const most = Math.max(...countsOf(data));
  if (most * HELD_OUT < 1) {
    throw new MarginCoreError(
      'INVALID_DATA',
      `search: expected a class of ${1 / HELD_OUT} or more training images, a tenth of which decides among candidates; found ${most} at most`,
    );
  }
  const { kept, heldOut: held } = holdOut(data.train, data.numClasses, HELD_OUT);
  return { ...data, train: chosen(data.train, kept.numbers), test: chosen(data.train, held.numbers) };
}

function countsOf({ train, numClasses }: Dataset): number[] {
  const counts = new Array<number>(numClasses).fill(0);
  for (const label of train.labels) counts[label]! += 1;
  return counts;
}
