// The summary for reading: as text in columns, and as Markdown.
import { remarks } from './remarks.mjs';

const digits = (value) => (value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3));
const times = (value) => `${value >= 100 ? Math.round(value) : value.toFixed(2)}×`;
const range = ({ min, max }, format) => `${format(min)} – ${format(max)}`;

const HEADINGS = ['', 'median', 'min – max', 'margincore is', 'min – max', 'target'];

/** The cells of one row. Ratios are margincore's value divided by this row's. */
function cells(row, { unit, rows }) {
  const { median, batch, ratio, target, disturbed } = row;
  const steps = batch ? ` = ${digits(median / batch)} steps/s` : '';
  return [
    rowName(row, rows),
    `${disturbed ? '(disturbed) ' : ''}${digits(median)} ${unit}${steps}`,
    range(row, digits),
    ratio ? times(ratio.median) : '',
    ratio ? range(ratio, times) : '',
    target ? verdict(target) : '',
  ];
}

function rowName({ label, contender, variant, best }, rows) {
  if (!variant) return label;
  const rivals = rows.filter((row) => row.contender === contender).length - 1;
  return `${label} (${variant}${best && rivals > 0 ? ', best as installed' : ''})`;
}

const verdict = ({ atLeast, atMost, met }) =>
  `${atLeast === undefined ? `≤ ${atMost}×` : `≥ ${atLeast}×`} ${met ? 'met' : 'MISSED'}`;

const filled = ({ tables }) => tables.filter(({ rows }) => rows.length > 0);

export function asText(report) {
  const all = filled(report).flatMap((table) => table.rows.map((row) => cells(row, table)));
  const widths = HEADINGS.map((heading, i) => Math.max(heading.length, ...all.map((row) => row[i].length)));
  const aligned = (cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
  const line = (row) => `  ${row.map(aligned).join('  ')}`.trimEnd();
  const block = (table) =>
    [table.title, line(HEADINGS), ...table.rows.map((row) => line(cells(row, table)))].join('\n');
  return `${[...filled(report).map(block), remarks(report).join('\n')].join('\n\n')}\n`;
}

export function asMarkdown(report) {
  const line = (row) => `| ${row.join(' | ')} |`;
  const title = (table) => line([`**${table.title}**`, '', '', '', '', '']);
  const lines = [
    line(HEADINGS),
    line(['---', '---:', '---:', '---:', '---:', '---']),
    ...filled(report).flatMap((table) => [title(table), ...table.rows.map((row) => line(cells(row, table)))]),
  ];
  return `${lines.join('\n')}\n\n${remarks(report).join('\n\n')}\n`;
}
