/** A comparison as a table: Markdown for people, CSV and plain rows for programs. */

import { MEASURE_NAMES } from '../experiments/outcome.js';
import { markdownTable } from '../experiments/table.js';
import { csv } from '../files/csv.js';
import type { Comparison, ComparisonRow } from './comparison.js';
import type { SearchDecision } from './search.js';

export function comparisonMarkdown(comparison: Comparison): string {
  const { rows } = comparison;
  const isTested = rows.some(({ againstSoftmax }) => againstSoftmax !== undefined);
  return markdownTable(comparison, isTested ? [AGAINST_SOFTMAX] : []);
}

const AGAINST_SOFTMAX = {
  title: 'points to softmax (p, Holm)',
  shown: pointsToSoftmax,
};

export function pointsToSoftmax({ againstSoftmax }: ComparisonRow): string {
  if (againstSoftmax === undefined) return '';
  return `${signed(100 * againstSoftmax.difference)} (${probability(againstSoftmax.pCorrected)})`;
}

const signed = (points: number) => `${points < 0 ? '−' : '+'}${Math.abs(points).toFixed(2)}`;
const probability = (p: number) => (p < 0.001 ? '< 0.001' : p.toFixed(3));

/** What the test takes for granted: to be read beside the table. */
export const ON_THE_TEST =
  "p: Student's t-test of the differences to plain softmax with the same network, seed by seed, two-sided, corrected by Holm's method for all " +
  'rows. It takes the differences to be independent and normal; few seeds show only large ones. Seeds draw weights and order; the ' +
  'images are the same, so it says nothing of other images.';

/** One line for each row and seed that ended (RFC 4180). */
export function comparisonCsv({ rows }: Comparison): string {
  const columns = Object.keys(rows[0]!.key);
  const measures = MEASURE_NAMES.filter((name) => rows.some((row) => row[name] !== undefined));
  const lines = rows.flatMap(({ key, ...row }) => {
    const ended = row[measures[0] ?? 'accuracy']?.values.length ?? 0;
    const seeds = Array.from({ length: ended + (row.diverged?.length ?? 0) }, (_, i) => i + 1);
    const kept = seeds.filter((seed) => !row.diverged?.includes(seed));
    return kept.map((seed, index) => [
      ...Object.values(key),
      seed,
      ...measures.map((name) => row[name]?.values[index] ?? ''),
    ]);
  });
  return csv([[...columns, 'seed', ...measures], ...lines]);
}

/** A line for each candidate of each round of the search. */
export function searchCsv(decisions: readonly SearchDecision[]): string {
  const columns = Object.keys(decisions[0]?.key ?? {}) as (keyof SearchDecision['key'])[];
  return csv([
    ['round', ...columns, 'steps', 'accuracy', 'kept'],
    ...decisions.map(({ round, key, steps, accuracy, isKept }) => [
      round,
      ...columns.map((column) => key[column]!),
      steps,
      accuracy ?? '',
      isKept ? 1 : 0,
    ]),
  ]);
}

export function decisionLine({ round, key, steps, accuracy, isKept }: SearchDecision): string {
  const said = accuracy === undefined ? 'diverged' : `${(100 * accuracy).toFixed(2)} % of held-out images`;
  return `search, round ${round}, ${steps} steps: ${Object.values(key).reverse().join(', ')}: ${said}${isKept ? ', goes on' : ''}`;
}

/** How the rows were found, in words. */
export const ON_THE_SEARCH =
  'Rows were found by successive halving: all candidates of a head ran a short time, a third of them three times as long, and so on, until one was ' +
  'left, by their accuracy on a tenth of the training images that was held out.';
