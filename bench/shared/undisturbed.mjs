import { runJob } from './child.mjs';

/**
 * With more than this fraction of the processors in other hands a time says nothing: threads that wait for one another
 * in every operation become ten times slower, not a tenth.
 */
export const DISTURBED_ABOVE = 0.05;

/** The first undisturbed one of a few tries, else the least disturbed. */
export async function runUndisturbed(command, job, tries) {
  let best;
  for (let attempt = 0; attempt < tries; attempt++) {
    const events = await runJob(command, job);
    if (!best || events.foreignLoad < best.foreignLoad) best = events;
    if (best.foreignLoad <= DISTURBED_ABOVE) break;
  }
  return best;
}
