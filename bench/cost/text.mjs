// The cost tables for reading: as text in columns, and as Markdown.
import { sourcesLine } from '../shared/sources.mjs';
import { BEND_ABOVE } from './plan.mjs';
import { cells, headings } from './rows.mjs';

function remarks(report) {
  const { machine, versions, settings, skipped, failures } = report;
  const { threads, rounds } = settings;
  return [
    sourcesLine(report),
    `${machine.cpu}, ${machine.cores} cores; ${threads} threads, median of ${rounds} rounds; Node ${machine.node.slice(1)}, ${versions.join(', ')}`,
    `Where the time per unit is ${BEND_ABOVE} times that of the row before, or that many times less, the curve "bends". ` +
      'Exponent e: since the row before, time grew as the value to the power of e.',
    ...skipped.map(({ what, reason }) => `Skipped: ${what}: ${reason}`),
    ...failures.map(({ what, reason }) => `Failed: ${what}: ${reason}`),
    `Rows skipped: ${skipped.length}. Measurements failed: ${failures.length}.`,
  ];
}

export function asText(report) {
  const block = (table) => {
    const lines = [headings(table), ...table.rows.map(cells)];
    const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
    const line = (row) => `  ${row.map((cell, i) => cell.padStart(widths[i])).join('  ')}`.trimEnd();
    return [table.title, ...lines.map(line)].join('\n');
  };
  return `${[...report.tables.map(block), remarks(report).join('\n')].join('\n\n')}\n`;
}

/** @param picture file name of the picture, beside the Markdown */
export function asMarkdown(report, picture) {
  const line = (row) => `| ${row.join(' | ')} |`;
  const block = (table) =>
    [
      `### ${table.title}\n`,
      line(headings(table)),
      line(headings(table).map(() => '---:')),
      ...table.rows.map((row) => line(cells(row))),
    ].join('\n');
  const image = `![Time of a training step over batch, classes, image size and threads, both axes logarithmic](${picture})`;
  return `${[image, ...report.tables.map(block), ...remarks(report)].join('\n\n')}\n`;
}
