/** A comparison's files: a page, the table for people, and its numbers. */
import { join } from 'node:path';
import { plainRows } from '../experiments/table.js';
import { writeAside } from '../files/writeAside.js';
import type { Comparison } from './comparison.js';
import {
  comparisonCsv,
  comparisonMarkdown,
  ON_THE_SEARCH,
  ON_THE_TEST,
  searchCsv,
} from './comparisonTable.js';
import { comparisonPage, type PageInput } from './page.js';

export async function keepComparison(folder: string, input: PageInput, signal?: AbortSignal): Promise<void> {
  const { comparison } = input;
  const { search } = comparison;
  const files = {
    ...(search && { 'search.csv': searchCsv(search) }),
    html: await comparisonPage(input, signal),
    md: comparisonText(comparison),
    csv: comparisonCsv(comparison),
    json: `${JSON.stringify(comparisonJson(comparison), null, 1)}\n`,
  };
  for (const [kind, text] of Object.entries(files)) {
    await writeAside(join(folder, `comparison.${kind}`), async (file) => {
      await file.writeFile(text);
    });
  }
}

export function comparisonText(comparison: Comparison): string {
  const { data, seeds, rows } = comparison;
  const isTested = rows.some(({ againstSoftmax }) => againstSoftmax !== undefined);
  return [
    `On ${data}, ${seeds} ${seeds === 1 ? 'seed' : 'seeds'}: mean ± standard deviation.`,
    '',
    comparisonMarkdown(comparison),
    ...(isTested ? ['', ON_THE_TEST] : []),
    ...(comparison.search ? ['', ON_THE_SEARCH] : []),
    '',
  ].join('\n');
}

/** Without what only pictures need. */
export function comparisonJson(comparison: Comparison): object {
  const rows = comparison.rows.map(({ analysis, ...row }) => row);
  return { ...comparison, rows: plainRows({ ...comparison, rows }) };
}
