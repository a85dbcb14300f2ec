/** Tasks of which several may run at once. */
import { MarginCoreError } from '../base/errors.js';

/** @param signal Is aborted with its reason once another task has failed, or when the caller's is. */
export type Task = (signal: AbortSignal) => Promise<void>;

/**
 * Begins the tasks in their order, at most so many at once. One that finds no memory beside others (OUT_OF_MEMORY) is begun again when
 * they are done, and from then on there is one fewer at once. Rejects with the first failure, when nothing runs any more.
 */
export async function sideBySide(tasks: readonly Task[], most: number, signal?: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const passOn = () => stop.abort(signal!.reason);
  if (signal?.aborted) passOn();
  signal?.addEventListener('abort', passOn, { once: true });
  try {
    await runAll([...tasks], most, stop);
  } finally {
    signal?.removeEventListener('abort', passOn);
  }
}

async function runAll(waiting: Task[], most: number, stop: AbortController): Promise<void> {
  const running = new Set<Promise<void>>();
  let limit = most;
  let failure: { readonly error: unknown } | undefined;
  const begin = (task: Task): Promise<void> =>
    task(stop.signal).catch((error) => {
      if (isOutOfMemory(error) && running.size > 1 && !stop.signal.aborted) {
        limit = running.size - 1;
        waiting.unshift(task);
        return;
      }
      failure ??= { error };
      stop.abort(error);
    });
  for (;;) {
    while (waiting.length > 0 && running.size < limit && !stop.signal.aborted) {
      const run = begin(waiting.shift()!).finally(() => running.delete(run));
      running.add(run);
    }
    if (running.size === 0) break;
    await Promise.race(running);
  }
  if (failure !== undefined) throw failure.error;
  if (waiting.length > 0) stop.signal.throwIfAborted();
}

const isOutOfMemory = (error: unknown) => error instanceof MarginCoreError && error.code === 'OUT_OF_MEMORY';
