/** Known ways in which training goes wrong without an error, told by name. */
import type { Diagnosis } from '../events.js';
import { CAUSES, type Case, UNKNOWN } from './causes.js';
import { accuracyOf, type Epoch, type RunFacts } from './facts.js';
import { describeSymptom, symptomOf } from './symptoms.js';

/** What has to be seen for this part of the run, and for two epochs at least, before it is said: many a run recovers. */
const PATIENCE = 0.1;
/** Steps before which nothing is said of a run that goes on. */
const MANY_STEPS = 50;
/** A gain in accuracy that says that a run is learning, in standard errors of what chance alone does. */
const ERRORS = 3;

/**
 * What goes wrong in the last epoch of the history. Low accuracy alone is no fault, since data may be hard: it needs
 * a cause.
 * @param history One epoch or more, the last of which is judged
 */
export function diagnose(history: readonly Epoch[], facts: RunFacts): Diagnosis[] {
  const last = history.at(-1)!;
  const symptom = symptomOf(last, facts);
  if (symptom === undefined) return [];
  const found: Case = { symptom, history, last, facts };
  const atEnd = last.epoch === last.epochs;
  if (
    !atEnd &&
    (symptom === 'weak' || symptom === 'unsure' || !lasts(found) || learns(history, facts.samples))
  )
    return [];
  const unknown = symptom === 'collapsed' || symptom === 'guessing' ? [UNKNOWN[symptom]] : [];
  const cause = [...CAUSES, ...unknown].find(({ fits }) => fits(found));
  if (cause === undefined) return [];
  return [
    { name: cause.name, message: `${describeSymptom(symptom, last, facts)}; ${cause.describe(found)}` },
  ];
}

/** Accuracy rises by more than chance alone would have it. */
function learns(history: readonly Epoch[], samples: number): boolean {
  const [before, now] = history.slice(-2).map(accuracyOf) as [number, number];
  return now - before > ERRORS * Math.sqrt((now * (1 - now)) / samples);
}

/** The same was seen for a while. */
function lasts({ symptom, history, last, facts }: Case): boolean {
  const epochs = Math.max(2, Math.ceil(PATIENCE * last.epochs));
  const steps = history.reduce((sum, epoch) => sum + epoch.steps, 0);
  const recent = history.slice(-epochs);
  return (
    recent.length === epochs &&
    steps >= MANY_STEPS &&
    recent.every((epoch) => symptomOf(epoch, facts) === symptom)
  );
}
