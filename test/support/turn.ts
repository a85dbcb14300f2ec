import { setImmediate } from 'node:timers/promises';

/**
 * Whether a promise is settled before the event loop goes on: by JavaScript alone, without waiting for a timer or for
 * what another thread computes. Says more than a limit on milliseconds, and holds on a busy machine.
 */
export function isSettledAtOnce(promise: Promise<unknown>): Promise<boolean> {
  const settled = () => true;
  return Promise.race([promise.then(settled, settled), setImmediate(false)]);
}
