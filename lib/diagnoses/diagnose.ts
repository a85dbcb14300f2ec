/** Known ways in which training goes wrong without an error, told by name. */
import { CAUSES, type Case, UNKNOWN } from './causes.js';
import type { Diagnosis } from './diagnosis.js';
import { bestOf, type Epoch, type Figure, type RunFacts, stepsOf } from './facts.js';
import { describeSymptom, symptomOf } from './symptoms.js';

/** What has to be seen for this part of the run, and for two epochs at least, before it is said: many a run recovers. */
const PATIENCE = 0.1;
/** Fewer steps are an attempt: that little is learned in them needs no cause. */
const MANY_STEPS = 50;
/** A gain in accuracy that says that a run is learning, in standard errors of the accuracy. */
const ERRORS = 3;

/**
 * What goes wrong in the last epoch of the history. Low accuracy alone is no fault, since data may be hard: it needs
 * a cause.
 * @param history One epoch or more, the last of which is judged
 * @param atEnd No epoch comes after it: what is mild is said then, too.
 */
export function diagnose(
  history: readonly Epoch[],
  facts: RunFacts,
  atEnd = history.at(-1)!.epoch === history.at(-1)!.epochs,
): Diagnosis[] {
  const last = history.at(-1)!;
  const symptom = symptomOf(last, facts);
  if (symptom === undefined) return [];
  const found: Case = { symptom, history, last, facts };
  const isMild = symptom === 'weak' || symptom === 'unsure';
  if (!atEnd && (isMild || !lasts(found) || learns(history, facts))) return [];

  const isAttempt = stepsOf(history) < MANY_STEPS;
  if (isAttempt && isMild) return [];
  const causes = isAttempt ? CAUSES.filter(({ needsTime }) => !needsTime) : CAUSES;
  const fallback = isAttempt || isMild || symptom === 'inverted' ? [] : [UNKNOWN[symptom]];
  const cause = [...causes, ...fallback].find(({ fits }) => fits(found));
  if (cause === undefined) return [];
  return [
    { name: cause.name, message: `${describeSymptom(symptom, last, facts)}; ${cause.describe(found)}` },
  ];
}

/** Accuracy rises by more than chance alone would have it. */
function learns(history: readonly Epoch[], { images }: RunFacts): boolean {
  const [before, now] = history.slice(-2).map(bestOf) as [Figure, Figure];
  const error = Math.sqrt((now.accuracy * (1 - now.accuracy)) / images[now.of]);
  return now.accuracy - before.accuracy > ERRORS * error;
}

/** The same was seen for a while. */
function lasts({ symptom, history, last, facts }: Case): boolean {
  const epochs = Math.max(2, Math.ceil(PATIENCE * last.epochs));
  const recent = history.slice(-epochs);
  return (
    recent.length === epochs &&
    stepsOf(history) >= MANY_STEPS &&
    recent.every((epoch) => symptomOf(epoch, facts) === symptom)
  );
}
