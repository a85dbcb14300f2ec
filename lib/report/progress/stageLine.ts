/** How far something has come that is no run: a live line on a terminal, otherwise nothing. */
import { isLive, LiveLine, type TextStream } from './terminal.js';

const MILLISECONDS = 200;

/** What the work comes to; while it goes on, `fraction` is shown, as soon as there is one. */
export async function showing<T>(
  text: string,
  work: Promise<T>,
  fraction: () => number | undefined,
  stream: TextStream = process.stderr,
): Promise<T> {
  if (!isLive(stream)) return work;
  const line = new LiveLine(stream);
  let isShown = false;
  const timer = setInterval(() => {
    const reached = fraction();
    if (reached === undefined) return;
    isShown = true;
    line.set(`${text} ${Math.floor(100 * reached)} %`.slice(0, line.width));
  }, MILLISECONDS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (isShown) line.clear();
  }
}
