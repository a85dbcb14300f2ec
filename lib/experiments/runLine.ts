/** What is said of each run as it ends. */
import { MEASURE_NAMES, MEASURES, type Outcome } from './outcome.js';
import type { RowKey } from './recipe.js';
import type { RunDone } from './runRecipe.js';

export const runLine = ({ key, seed, outcome, run, runs, wasDone }: RunDone) =>
  `${run}/${runs} ${titleOfKey(key)}, seed ${seed}: ${firstMeasure(outcome)}${wasDone ? ' (done before)' : ''}`;

export const titleOfKey = (key: RowKey) =>
  Object.entries(key)
    .map(([column, value]) => `${column} ${value}`)
    .join(', ');

/** The first measure that was taken. */
export function firstMeasure(outcome: Outcome): string {
  if (outcome.diverged !== undefined) return 'diverged';
  const name = MEASURE_NAMES.find((measure) => outcome[measure] !== undefined)!;
  return `${MEASURES[name].title} ${MEASURES[name].shown(outcome[name]!)}`;
}
