/** What can be seen to go wrong, whatever causes it. */
import { accuracyOf, bestOf, chance, type Epoch, isUnsure, type RunFacts } from './facts.js';

export type Symptom = 'collapsed' | 'guessing' | 'inverted' | 'weak' | 'unsure';

/** Embeddings within this angle of their mean direction, in degrees, are one direction. */
const ONE_DIRECTION = 1;
/** Of what could be learned beyond chance: less is guessing. */
const LEARNED_SOMETHING = 0.05;
/** Median angle to the own class's weight, in degrees: embeddings that stand opposite their class. */
const OPPOSITE = 120;
/** Training accuracy that leaves little to complain about. */
const GOOD = 0.98;

/** What an epoch looks like; undefined where nothing is seen. */
export function symptomOf(epoch: Epoch, facts: RunFacts): Symptom | undefined {
  const accuracy = accuracyOf(epoch);
  const guess = chance(facts);
  if (accuracy < guess + LEARNED_SOMETHING * (1 - guess)) {
    return epoch.head.spread < ONE_DIRECTION ? 'collapsed' : 'guessing';
  }
  if (accuracy >= GOOD) return isUnsure(epoch, facts) ? 'unsure' : undefined;
  // Two classes are told apart by the difference of their weights alone, wherever both of them point.
  const manyClasses = facts.head.native.numClasses > 2;
  return manyClasses && epoch.head.targetAngle[1] > OPPOSITE ? 'inverted' : 'weak';
}

/** In words. */
export function describeSymptom(symptom: Symptom, epoch: Epoch, facts: RunFacts): string {
  const { head } = epoch;
  const accuracy = `accuracy is ${percent(accuracyOf(epoch))} %`;
  const guess = `always the most frequent class would be ${percent(chance(facts))} %`;
  switch (symptom) {
    case 'collapsed':
      return `${accuracy} (${guess}), and all embeddings lie within ${head.spread.toFixed(2)}° of one direction`;
    case 'guessing':
      return `${accuracy}, ${guess}: nothing is learned`;
    case 'inverted':
      return `${accuracy}, and embeddings stand ${Math.round(head.targetAngle[1])}° from their own class's weight, opposite it`;
    case 'unsure':
      return `${accuracy} of the ${bestOf(epoch).of === 'validation' ? 'validation' : 'training'} images, but the loss stays at ${epoch.loss.toFixed(2)}`;
    case 'weak':
      return `${accuracy} at the end`;
  }
}

const percent = (share: number) => (100 * share).toFixed(1);
