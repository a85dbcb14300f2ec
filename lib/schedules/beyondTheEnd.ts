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
    ...note('MARGIN_WARMUP_BEYOND_END', tooLong('marginWarmup', [marginWarmup], 'the whole margin', run)),
  ];
}

function notesOnRate(schedule: Schedule, run: RunLength): Note[] {
  const { warmups, plain } = unwrapped(schedule);
  return [
    ...note('WARMUP_BEYOND_END', tooLong("the learning rate's warm-up", warmups, 'the full rate', run)),
    ...note('MILESTONES_BEYOND_END', lateMilestones(plain, run)),
  ];
}

/** A warm-up may be one of a schedule that has one. */
function unwrapped(schedule: Schedule): { warmups: Duration[]; plain: Schedule } {
  if (typeof schedule === 'function' || schedule.type !== 'warmup') return { warmups: [], plain: schedule };
  const { warmups, plain } = unwrapped(schedule.schedule);
  return { warmups: [schedule.length, ...warmups], plain };
}

function lateMilestones(schedule: Schedule, run: RunLength): string | undefined {
  if (typeof schedule === 'function' || schedule.type !== 'step') return undefined;
  const { unit = 'epochs' } = schedule;
  const length = run[unit];
  const late = schedule.milestones.filter((milestone) => milestone >= length);
  if (late.length === 0) return undefined;
  return (
    `learningRate never comes to the ${late.length > 1 ? 'milestones' : 'milestone'} ${late.join(', ')}: milestones are ` +
    `${unit}, and after ${length} the run is over`
  );
}

function tooLong(
  what: string,
  lengths: readonly Duration[],
  goal: string,
  { steps }: RunLength,
): string | undefined {
  const late = lengths.filter((length) => length >= 1 && length > steps);
  if (late.length === 0) return undefined;
  return (
    `${what} takes ${late.join(' and ')} steps, and the run has ${steps}: it never comes to ${goal}. A number below 1 is a ` +
    'fraction of the run'
  );
}
