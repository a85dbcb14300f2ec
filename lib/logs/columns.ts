/** What is written down of a run's steps and epochs: under which tag TensorBoard shows it, and in which column of the tables it stands. */
import type { Percentiles } from '../metrics/headStatistics.js';
import type { EpochEvent, StepEvent } from '../training/events.js';
import type { RunStart } from '../training/observer.js';

export interface Column<Event> {
  readonly tag: string;
  readonly column: string;
  /** Undefined where a run has no such value. */
  value(event: Event, run: RunStart): number | undefined;
}

const ofStep = (name: string, value: Column<StepEvent>['value']): Column<StepEvent> => ({
  tag: `step/${name}`,
  column: name,
  value,
});

/** Under the names that `onStep` has. */
export const STEP_COLUMNS: readonly Column<StepEvent>[] = [
  ofStep('loss', ({ loss }) => loss),
  ofStep('accuracy', ({ accuracy }) => accuracy),
  ofStep('learningRate', ({ learningRate }) => learningRate),
  ofStep('momentum', ({ momentum }) => momentum),
  ofStep('gradientNorm', ({ gradientNorm }) => gradientNorm),
  ofStep('logitGradientNorm', ({ logitGradientNorm }) => logitGradientNorm),
  ofStep('marginRamp', ({ marginRamp }, { hasMargin }) => (hasMargin ? marginRamp : undefined)),
  ofStep('lambda', ({ lambda }, { head }) => (head.lambda === undefined ? undefined : lambda)),
  ofStep('pastPi', ({ pastPi }, { hasMargin }) => (hasMargin ? pastPi : undefined)),
];

const ofEpoch = (
  tag: string,
  value: Column<EpochEvent>['value'],
  column = tag.slice(tag.indexOf('/') + 1),
): Column<EpochEvent> => ({ tag, column, value });

/** The values that 5, 50 and 95 % of the measured images lie below. */
const percentilesOf = (name: string, values: (event: EpochEvent) => Percentiles): Column<EpochEvent>[] =>
  ([5, 50, 95] as const).map((percent, index) =>
    ofEpoch(`head/${name}P${percent}`, (event) => values(event)[index]),
  );

/** Under the names that `onEpoch` has. */
export const EPOCH_COLUMNS: readonly Column<EpochEvent>[] = [
  ofEpoch('epoch/loss', ({ loss }) => loss),
  ofEpoch('epoch/accuracy', ({ accuracy }) => accuracy),
  ofEpoch('validation/loss', ({ validation }) => validation?.loss, 'validationLoss'),
  ofEpoch('validation/accuracy', ({ validation }) => validation?.accuracy, 'validationAccuracy'),
  ofEpoch('epoch/learningRate', ({ learningRate }) => learningRate),
  ofEpoch('epoch/meanLearningRate', ({ meanLearningRate }) => meanLearningRate),
  ofEpoch('epoch/gradientNorm', ({ gradientNorm }) => gradientNorm),
  ofEpoch('epoch/logitGradientNorm', ({ logitGradientNorm }) => logitGradientNorm),
  ofEpoch('epoch/m1', ({ margin }) => margin?.m1),
  ofEpoch('epoch/m2', ({ margin }) => margin?.m2),
  ofEpoch('epoch/m3', ({ margin }) => margin?.m3),
  ofEpoch('epoch/lambda', ({ lambda }, { head }) => (head.lambda === undefined ? undefined : lambda)),
  ofEpoch('epoch/pastPi', ({ pastPi }, { hasMargin }) => (hasMargin ? pastPi : undefined)),
  ...percentilesOf('targetAngle', ({ head }) => head.targetAngle),
  ...percentilesOf('nearestOtherAngle', ({ head }) => head.nearestOtherAngle),
  ofEpoch('head/nearestOwn', ({ head }) => head.nearestOwn),
  ...percentilesOf('featureNorm', ({ head }) => head.featureNorm),
  ...percentilesOf('weightNorm', ({ head }) => head.weightNorm),
  ofEpoch('head/spread', ({ head }) => head.spread),
  ofEpoch('epoch/seconds', ({ seconds }) => seconds),
  ofEpoch('epoch/imagesPerSecond', ({ imagesPerSecond }) => imagesPerSecond),
];
