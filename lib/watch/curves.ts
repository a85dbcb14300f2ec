/** Curves of runs: over epochs, or over steps while no run has two of them. */
import { EPOCH_COLUMNS, STEP_COLUMNS } from '../logs/columns.js';
import type { Figure } from '../report/figures/figure.js';
import { type Line, linesFigure } from '../report/figures/linesFigure.js';
import { TRAINING_CURVES, type TrainingCurve } from '../report/figures/trainingCurves.js';
import { byEpoch, stepsPerEpoch } from './epochs.js';
import type { Point } from './series.js';
import type { WatchedRun } from './watchedRun.js';

interface Curve extends TrainingCurve {
  readonly tag: string;
  /** The same of each step, where there is such a thing. */
  readonly stepTag?: string;
}

const CURVES: readonly Curve[] = [
  { ...TRAINING_CURVES.loss, tag: 'epoch/loss', stepTag: 'step/loss' },
  { ...TRAINING_CURVES.accuracy, tag: 'epoch/accuracy', stepTag: 'step/accuracy' },
  { id: 'validation-loss', title: 'Validation loss', isLogarithmic: true, tag: 'validation/loss' },
  { id: 'validation-accuracy', title: 'Validation accuracy', tag: 'validation/accuracy' },
  {
    ...TRAINING_CURVES.logitGradientNorm,
    tag: 'epoch/logitGradientNorm',
    stepTag: 'step/logitGradientNorm',
  },
  { ...TRAINING_CURVES.targetAngle, tag: 'head/targetAngleP50' },
  { id: 'learning-rate', title: 'Learning rate', tag: 'epoch/learningRate', stepTag: 'step/learningRate' },
];

const ONE_EPOCH = 2;

/** An epoch alone is a point, and no curve. */
const hasEpochs = (runs: readonly WatchedRun[]) =>
  runs.some((run) => run.points('epoch/loss').length >= ONE_EPOCH);

export function trainingCurves(runs: readonly WatchedRun[]): Figure[] {
  const isOfEpochs = hasEpochs(runs);
  return CURVES.flatMap(({ tag, stepTag = tag, ...curve }) =>
    figures({ ...curve, xTitle: isOfEpochs ? 'epoch' : 'step', isCounted: isOfEpochs }, runs, (run) => {
      const steps = stepsPerEpoch(run);
      if (!isOfEpochs) return run.points(stepTag);
      return steps === undefined ? [] : byEpoch(run.points(tag), steps);
    }),
  );
}

const OURS = new Set([...[...STEP_COLUMNS, ...EPOCH_COLUMNS].map(({ tag }) => tag), 'test/accuracy']);

/** Of other programs' event files. */
export const otherTags = (runs: readonly WatchedRun[]): string[] =>
  [...new Set(runs.flatMap(({ tags }) => tags))].filter((tag) => !OURS.has(tag)).sort();

export const tagCurves = (runs: readonly WatchedRun[], tags: readonly string[]): Figure[] =>
  tags.flatMap((tag, index) =>
    figures({ id: `tag-${index + 1}`, title: tag, xTitle: 'step' }, runs, (run) => run.points(tag)),
  );

interface Drawn extends TrainingCurve {
  readonly xTitle: string;
  readonly isCounted?: boolean;
}

/** One, or none where no run has a point of it. */
function figures(
  curve: Drawn,
  runs: readonly WatchedRun[],
  pointsOf: (run: WatchedRun) => readonly Point[],
): Figure[] {
  const lines = runs
    .map((run): Line => ({ title: run.name, index: run.index, points: thinned(pointsOf(run)) }))
    .filter(({ points }) => points.length > 0);
  if (lines.length === 0) return [];
  const ends = lines.map(({ title, points }) => `${title} ${points.at(-1)![1].toPrecision(3)}`);
  const label = `${curve.title} by ${curve.xTitle}. Last: ${ends.join('; ')}`;
  return [linesFigure({ ...curve, yTitle: 'value', label }, lines)];
}

/** As many points as a small chart is pixels wide. */
const MOST_POINTS = 400;

/** Evenly, with the last. */
function thinned(points: readonly Point[]): readonly Point[] {
  const each = Math.ceil(points.length / MOST_POINTS);
  const last = points.length - 1;
  return points.filter((_, index) => (last - index) % each === 0);
}
