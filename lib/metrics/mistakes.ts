/** What a model is wrong about, from probabilities (N, C), row-major, and labels (N). */
import { argmaxRows } from './accuracy.js';

/** A sample whose most probable class is not its label. */
export interface Mistake {
  /** Its number in the split */
  readonly sample: number;
  readonly label: number;
  readonly predicted: number;
  /** Of the label */
  readonly labelProbability: number;
  /** Of the predicted class */
  readonly predictedProbability: number;
  /** Of the embedding to the label's class centre, where the head has class centres */
  readonly labelCosine?: number;
  /** To the centre of the predicted class */
  readonly predictedCosine?: number;
}

/** How many samples of one class were taken for another. */
export interface ConfusedPair {
  readonly label: number;
  readonly predicted: number;
  readonly count: number;
}

/** @param cosines (N, C), where the head has class centres @param first Number of the first sample */
export function findMistakes(
  { probabilities, cosines }: { probabilities: Float32Array; cosines?: Float32Array | undefined },
  labels: Int32Array,
  numClasses: number,
  first = 0,
): Mistake[] {
  const predictions = argmaxRows(probabilities, numClasses);
  const mistakes: Mistake[] = [];
  for (const [row, label] of labels.entries()) {
    const predicted = predictions[row]!;
    if (predicted === label) continue;
    const [ofLabel, ofPredicted] = [row * numClasses + label, row * numClasses + predicted];
    mistakes.push({
      ...{ sample: first + row, label, predicted },
      labelProbability: probabilities[ofLabel]!,
      predictedProbability: probabilities[ofPredicted]!,
      ...(cosines && { labelCosine: cosines[ofLabel]!, predictedCosine: cosines[ofPredicted]! }),
    });
  }
  return mistakes;
}

/** By how much more probable the wrong class is than the label, the most first; of equals the lower number. */
export function mostConfidentFirst(mistakes: readonly Mistake[]): Mistake[] {
  const lead = ({ predictedProbability, labelProbability }: Mistake) =>
    predictedProbability - labelProbability;
  return mistakes.toSorted((a, b) => lead(b) - lead(a) || a.sample - b.sample);
}

/** The most frequent first; of equals the lower classes. */
export function confusedPairs(mistakes: readonly Mistake[]): ConfusedPair[] {
  const pairs = new Map<string, { label: number; predicted: number; count: number }>();
  for (const { label, predicted } of mistakes) {
    const key = `${label} ${predicted}`;
    const pair = pairs.get(key) ?? { label, predicted, count: 0 };
    pair.count += 1;
    pairs.set(key, pair);
  }
  return [...pairs.values()].sort(
    (a, b) => b.count - a.count || a.label - b.label || a.predicted - b.predicted,
  );
}
