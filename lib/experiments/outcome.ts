/** What one run comes to, in numbers. */
import { isRecord } from '../base/check.js';

const percent = (value: number) => (100 * value).toFixed(2);
const degrees = (value: number) => `${value.toFixed(1)}°`;

interface Measure {
  readonly title: string;
  shown(value: number): string;
}

const measure = (title: string, shown: Measure['shown']): Measure => ({ title, shown });

/** In the order of a table's columns. */
export const MEASURES = {
  /** On the test images, without margin. */
  accuracy: measure('test accuracy %', percent),
  /** Mean angle in degrees of a test embedding to its own class's centre. */
  ownCentre: measure('own centre', degrees),
  /** Mean angle in degrees of a centre to the nearest other. */
  nearestOtherCentre: measure('nearest other', degrees),
  /** As `verificationScores` has them. */
  eer: measure('EER %', percent),
  auc: measure('AUC', (value) => value.toFixed(4)),
  'tarAtFar0.1': measure('TAR % at FAR 0.1', percent),
  'tarAtFar0.01': measure('at 0.01', percent),
  'tarAtFar0.001': measure('at 0.001', percent),
  'tarAtFar0.0001': measure('at 0.0001', percent),
} as const;

/** What a run is measured by. Accuracies and rates are fractions, centres angles in degrees. */
export type MeasureName = keyof typeof MEASURES;

export const MEASURE_NAMES = Object.keys(MEASURES) as MeasureName[];

/** A measure that is not there could not be taken. */
export type Outcome = { readonly [M in MeasureName]?: number } & {
  /** Test images by class (row) and by what they were taken for (column). */
  readonly confusion?: readonly (readonly number[])[];
  /** Why training came to no model. There are no measures then. */
  readonly diverged?: string;
};

/** Throws an Error for what was never an outcome. */
export function checkOutcome(value: unknown): Outcome {
  const outcome = isRecord(value) ? value : {};
  const { confusion, diverged, ...measures } = outcome;
  const isOne =
    Object.entries(measures).every(([name, each]) => name in MEASURES && typeof each === 'number') &&
    (Object.keys(measures).length > 0 || typeof diverged === 'string') &&
    (confusion === undefined || isTable(confusion));
  if (!isOne) throw new Error('it has no measures');
  return outcome as Outcome;
}

const isTable = (value: unknown) =>
  Array.isArray(value) &&
  value.every(
    (row) => Array.isArray(row) && row.length === value.length && row.every((cell) => Number.isInteger(cell)),
  );
