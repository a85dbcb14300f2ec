/** The little of a terminal that a progress display needs. */

/** What is written to: standard error, or a stand-in. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Of a terminal only */
  readonly columns?: number;
  /** Of a terminal only; Node's own heeds NO_COLOR, FORCE_COLOR and TERM. */
  hasColors?(): boolean;
}

/** Whether a line on it can be written over. */
export function isLive(stream: TextStream): boolean {
  return stream.isTTY === true && process.env.TERM !== 'dumb';
}

/** ANSI styles; where the stream has no colours, text as it is. */
export function styles(stream: TextStream) {
  const colors = stream.isTTY === true && stream.hasColors?.() === true;
  const style = (on: number, off: number) => (text: string) =>
    colors ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return { bold: style(1, 22), dim: style(2, 22), accent: style(36, 39), warning: style(33, 39) };
}

export type Styles = ReturnType<typeof styles>;

/** A last line that changes, below lines that stay. */
export class LiveLine {
  #text = '';

  constructor(private readonly stream: TextStream) {}

  /** Columns that a line may take: one less than there are, since some terminals wrap a full line at once. */
  get width(): number {
    return (this.stream.columns ?? 80) - 1;
  }

  set(text: string): void {
    this.#text = text;
    this.stream.write(`\r${text}${ERASE_TO_END}`);
  }

  /** Writes lines that stay, above the changing one. */
  print(lines: string): void {
    this.stream.write(`\r${ERASE_TO_END}${lines}\n${this.#text}`);
  }

  clear(): void {
    this.set('');
  }
}

const ERASE_TO_END = '\x1b[K';
