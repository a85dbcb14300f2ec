/** A comparison as a table: Markdown for people, CSV and plain rows for programs. */

import { MEASURE_NAMES } from '../experiments/outcome.js';
import { markdownTable } from '../experiments/table.js';
import { csv } from '../files/csv.js';
import type { Comparison, ComparisonRow } from './compare.js';

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
