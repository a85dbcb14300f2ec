/** A recipe's result as a table in Markdown. */
import type { RecipeResult, RecipeResultRow } from './runRecipe.js';
import type { Spread } from './spread.js';

const MEASURES = [
  ['accuracy', 'test accuracy %', (value: number) => (100 * value).toFixed(2)],
  ['ownCentre', 'own centre', (value: number) => `${value.toFixed(1)}°`],
  ['nearestOtherCentre', 'nearest other', (value: number) => `${value.toFixed(1)}°`],
] as const;

export function markdownTable({ rows }: RecipeResult): string {
  const columns = Object.keys(rows[0]!.key);
  const measures = MEASURES.filter(([name]) => rows.every((row) => row[name] !== undefined));
  const line = (cells: readonly string[]) => `| ${cells.map(inCell).join(' | ')} |`;
  const cellsOf = (row: RecipeResultRow) => [
    ...columns.map((column) => String(row.key[column])),
    ...measures.map(([name, , shown]) => spread(row[name]!, shown)),
  ];
  return [
    line([...columns, ...measures.map(([, title]) => title)]),
    `|${'---|'.repeat(columns.length + measures.length)}`,
    ...rows.map((row) => line(cellsOf(row))),
  ].join('\n');
}

/** What would end a cell, or the row. */
const inCell = (text: string) => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');

function spread({ mean, std, values }: Spread, shown: (value: number) => string): string {
  return values.length === 1 ? shown(mean) : `${shown(mean)} ± ${shown(std)}`;
}
