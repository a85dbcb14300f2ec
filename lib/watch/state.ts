/** How a run goes on, as far as its files say. */
import type { RunOutcome } from '../logs/hparams.js';
import type { WatchedRun } from './watchedRun.js';

export type RunState = RunOutcome | 'running' | 'silent';

/** Seconds: a run that goes on writes every ten, or as soon as a step is over. */
const SILENT_AFTER = 60;

/** @param now Milliseconds since 1970 */
export function stateOf({ outcome, wallTime }: WatchedRun, now: number): RunState {
  if (outcome !== undefined) return outcome;
  return wallTime !== undefined && now / 1000 - wallTime > SILENT_AFTER ? 'silent' : 'running';
}
