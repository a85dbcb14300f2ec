/** What a command says of each run of an experiment. */
import { MEASURE_NAMES, MEASURES, type Outcome } from '../experiments/outcome.js';
import type { RowKey } from '../experiments/recipe.js';
import type { RunDone } from '../experiments/runRecipe.js';

export const runLine = ({ key, seed, outcome, run, runs, wasDone }: RunDone) =>
  `${run}/${runs} ${titleOf(key)}, seed ${seed}: ${firstMeasure(outcome)}${wasDone ? ' (done before)' : ''}`;

export const titleOf = (key: RowKey) =>
  Object.entries(key)
    .map(([column, value]) => `${column} ${value}`)
    .join(', ');

/** The first measure that was taken. */
export function firstMeasure(outcome: Outcome): string {
  if (outcome.diverged !== undefined) return 'diverged';
  const name = MEASURE_NAMES.find((measure) => outcome[measure] !== undefined)!;
  return `${MEASURES[name].title} ${MEASURES[name].shown(outcome[name]!)}`;
}
