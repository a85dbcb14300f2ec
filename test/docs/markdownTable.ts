/** A table of cells as Markdown has them. */
export function markdownTable(head: readonly string[], cells: readonly (readonly string[])[]): string {
  const line = (columns: readonly string[]) =>
    `| ${columns.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...cells.map(line)].join('\n');
}
