/** What comes before the first step and may take long: its observers are told how far it has come. */
import { setTimeout } from 'node:timers/promises';
import { untilAborted } from '../base/abort.js';
import type { Observers, Preparation } from './observer.js';

/** From one report to the next. */
const MILLISECONDS = 200;

export interface PreparingWork<T> {
  readonly stage: Preparation['stage'];
  readonly work: Promise<T>;
  /** How far it has come; undefined where nobody knows, which is not told. */
  fraction(): number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What the work comes to, or a rejection with the signal's reason as soon as that is aborted. */
export async function prepareWith<T>(
  observers: Pick<Observers, 'prepare'>,
  { stage, work, fraction, signal }: PreparingWork<T>,
): Promise<T> {
  const done = untilAborted(work, signal);
  const isDone = done.then(
    () => true,
    () => true,
  );
  const isLate = () => setTimeout(MILLISECONDS, false, { ref: false });
  while (!(await Promise.race([isDone, isLate()]))) {
    const reached = fraction();
    if (reached !== undefined) await observers.prepare({ stage, fraction: reached });
  }
  return await done;
}
