/** A recipe's result as a table in Markdown, and as plain rows. */
import { MEASURE_NAMES, MEASURES, type MeasureName } from './outcome.js';
import type { RecipeResult, RecipeResultRow } from './runRecipe.js';
import type { Spread } from './spread.js';

/** A column beside the measures. */
export interface FurtherColumn<Row> {
  readonly title: string;
  shown(row: Row): string;
}

export function markdownTable<Row extends RecipeResultRow>(
  { rows }: { readonly rows: readonly Row[] },
  further: readonly FurtherColumn<Row>[] = [],
): string {
  const columns = Object.keys(rows[0]!.key);
  const measures = MEASURE_NAMES.filter((name) => isShown(name, rows));
  const line = (cells: readonly string[]) => `| ${cells.map(inCell).join(' | ')} |`;
  const cellsOf = (row: Row) => [
    ...columns.map((column) => String(row.key[column])),
    ...measures.map((name, index) => cell(row, name) + (index === 0 ? divergedIn(row) : '')),
    ...further.map(({ shown }) => shown(row)),
  ];
  const titles = [
    ...columns,
    ...measures.map((name) => MEASURES[name].title),
    ...further.map(({ title }) => title),
  ];
  return [line(titles), `|${'---|'.repeat(titles.length)}`, ...rows.map((row) => line(cellsOf(row)))].join(
    '\n',
  );
}

/** The key's columns beside the measures: `{ alpha: 5, accuracy: { mean, std, values } }`. */
export function plainRows({ rows }: RecipeResult): Readonly<Record<string, unknown>>[] {
  return rows.map(({ key, ...measures }) => ({ ...key, ...measures }));
}

/** What all rows have, but for those of which no run ended. A rate that too few pairs can show is named all the same. */
function isShown(name: MeasureName, rows: readonly RecipeResultRow[]): boolean {
  const ended = rows.filter((row) => MEASURE_NAMES.some((measure) => row[measure] !== undefined));
  if (ended.length === 0) return name === 'accuracy';
  return ended.every((row) => row[name] !== undefined || (name.startsWith('tarAtFar') && row.eer));
}

function cell(row: RecipeResultRow, name: MeasureName): string {
  const spread = row[name];
  if (spread !== undefined) return shownSpread(spread, MEASURES[name].shown);
  return row.diverged === undefined ? 'not measurable' : '–';
}

function divergedIn({ diverged }: RecipeResultRow): string {
  return diverged === undefined
    ? ''
    : ` (diverged: seed${diverged.length > 1 ? 's' : ''} ${diverged.join(', ')})`;
}

/** What would end a cell, or the row. */
const inCell = (text: string) => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');

export function shownSpread({ mean, std, values }: Spread, shown: (value: number) => string): string {
  return values.length === 1 ? shown(mean) : `${shown(mean)} ± ${shown(std)}`;
}
