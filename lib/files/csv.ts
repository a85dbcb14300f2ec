/** Comma-separated values (RFC 4180). */

/** With its end, which the last row has, too: one without was not written whole. What is undefined is an empty field. */
export const csvRow = (cells: readonly unknown[]): string => `${cells.map(field).join(',')}\r\n`;

export const csv = (rows: readonly (readonly unknown[])[]): string => rows.map(csvRow).join('');

function field(cell: unknown): string {
  const text = String(cell ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
