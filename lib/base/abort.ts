/** What an abort ends: waiting, work in pieces, and whatever else is told of it. */
import { setImmediate } from 'node:timers/promises';

interface Waiting {
  readonly calls: Set<() => void>;
  readonly listener: () => void;
}

/** However many wait for a signal, it has one listener: Node warns of more than ten. */
const waiting = new WeakMap<AbortSignal, Waiting>();

/** Calls once the signal is aborted, which it is not yet, unless the function that is returned was called before. */
export function onAbort(signal: AbortSignal | undefined, call: () => void): () => void {
  if (signal === undefined) return () => undefined;
  const { calls, listener } = waiting.get(signal) ?? listen(signal);
  calls.add(call);
  return () => {
    calls.delete(call);
    if (calls.size > 0 || waiting.get(signal)?.calls !== calls) return;
    signal.removeEventListener('abort', listener);
    waiting.delete(signal);
  };
}

function listen(signal: AbortSignal): Waiting {
  const calls = new Set<() => void>();
  const entry = {
    calls,
    listener: () => {
      for (const call of calls) call();
    },
  };
  signal.addEventListener('abort', entry.listener);
  waiting.set(signal, entry);
  return entry;
}

/**
 * What the work comes to, or a rejection with the signal's reason as soon as that is aborted: the work may go on then, and
 * nobody learns of its end.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  let forget: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else forget = onAbort(signal, abort);
  });
  try {
    return await Promise.race([aborted, work]);
  } finally {
    forget();
  }
}

/** Lets the event loop turn, between two pieces of long work; rejects with the signal's reason once that is aborted. */
export async function turnEventLoop(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  signal?.throwIfAborted();
}
