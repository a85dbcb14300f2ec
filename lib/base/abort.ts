/** Waiting that an abort ends. */
import { setImmediate } from 'node:timers/promises';

/**
 * What the work comes to, or a rejection with the signal's reason as soon as that is aborted: the work may go on then, and
 * nobody learns of its end.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([aborted, work]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Lets the event loop turn, between two pieces of long work; rejects with the signal's reason once that is aborted. */
export async function turnEventLoop(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  signal?.throwIfAborted();
}
