/** Rows of a file of comma-separated values, as RFC 4180 has them: fields may be in quotes, which are doubled within. */

export interface Row {
  readonly fields: readonly string[];
  /** From 1, of its first line */
  readonly line: number;
}

/** Throws an Error that says what is wrong. Empty lines are no rows. */
export function parseCsv(text: string): Row[] {
  const rows: Row[] = [];
  let fields: string[] = [];
  let line = 1;
  let first = 1;
  let field = '';
  let isQuoted = false;
  const endRow = () => {
    fields.push(field);
    if (fields.length > 1 || field !== '') rows.push({ fields, line: first });
    fields = [];
    field = '';
    first = line;
  };
  const content = text.startsWith('\uFEFF') ? text.slice(1) : text;
  for (let index = 0; index < content.length; index++) {
    const character = content[index]!;
    if (character === '\n') line++;
    if (isQuoted) {
      if (character !== '"') field += character;
      else if (content[index + 1] === '"') field += content[++index];
      else isQuoted = false;
    } else if (character === '"' && field === '') isQuoted = true;
    else if (character === ',') {
      fields.push(field);
      field = '';
    } else if (character === '\n') endRow();
    else if (character !== '\r' || content[index + 1] !== '\n') field += character;
  }
  if (isQuoted) throw new Error(`the quotes that begin in the row of line ${first} have no end`);
  endRow();
  return rows;
}
