/** Parts of a schedule that a run is too short for. */
import { type Note, note } from '../base/note.js';
import type { Duration } from './duration.js';
import type { Schedule } from './learningRate.js';

export interface RunLength {
  readonly epochs: number;
  /** Of the whole run */
  readonly steps: number;
}

/** What to tell a user whose learning rate changes, or whose margin comes into force, only after the last step. */
export function notesBeyondTheEnd(learningRate: Schedule, marginWarmup: Duration, run: RunLength): Note[] {
  return [
    ...notesOnRate(learningRate, run),
    ...note('MARGIN_WARMUP_BEYOND_END', tooLong('marginWarmup', marginWarmup, 'the whole margin', run)),
  ];
}

function notesOnRate(schedule: Schedule, run: RunLength): Note[] {
  if (typeof schedule === 'function') return [];
  if (schedule.type === 'warmup') {
    const late = tooLong("the learning rate's warm-up", schedule.length, 'the full rate', run);
    return [...note('WARMUP_BEYOND_END', late), ...notesOnRate(schedule.schedule, run)];
  }
  if (schedule.type !== 'step') return [];
  const late = schedule.milestones.filter((milestone) => milestone >= run.epochs);
  if (late.length === 0) return [];
  return note(
    'MILESTONES_BEYOND_END',
    `learningRate never comes to the ${late.length > 1 ? 'milestones' : 'milestone'} ${late.join(', ')}: milestones are ` +
      `epochs, and after ${run.epochs} the run is over`,
  );
}

function tooLong(what: string, length: Duration, goal: string, { steps }: RunLength): string | undefined {
  if (length < 1 || length <= steps) return undefined;
  return (
    `${what} takes ${length} steps, and the run has ${steps}: it never comes to ${goal}. A number below 1 is a ` +
    'fraction of the run'
  );
}
