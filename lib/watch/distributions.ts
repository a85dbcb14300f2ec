/** How angles and norms are distributed after the last epoch of each run. */
import { anglesFigure } from '../report/figures/anglesFigure.js';
import type { Figure } from '../report/figures/figure.js';
import { linesFigure } from '../report/figures/linesFigure.js';
import { sharesOf } from './shares.js';
import type { WatchedRun } from './watchedRun.js';

/** Degrees from 0 to 180 */
const DEGREES = 180;
const BINS = 30;

export const anglesOfRuns = (runs: readonly WatchedRun[]): Figure[] =>
  runs.flatMap((run) => {
    const own = run.histogram('head/targetAngle');
    const other = run.histogram('head/nearestOtherAngle');
    if (own === undefined || other === undefined) return [];
    return [
      anglesFigure(
        {
          id: `angles-${run.index + 1}`,
          title: `${run.name}: angles of embeddings`,
          label: `${run.name}: histogram of the angles of embeddings to the weight of their own class and to the nearest other`,
        },
        ['own class', 'nearest other'],
        { own: sharesOf(own, 0, 1, DEGREES), nearestOther: sharesOf(other, 0, 1, DEGREES) },
      ),
    ];
  });

export const normsOfRuns = (runs: readonly WatchedRun[]): Figure[] => [
  ...norms('feature-norm', 'Norms of the embeddings', 'head/featureNorm', runs),
  ...norms('weight-norm', 'Norms of the class weights', 'head/weightNorm', runs),
];

/** In the same bins for all runs; no figure where no run has them. */
function norms(id: string, title: string, tag: string, runs: readonly WatchedRun[]): Figure[] {
  const found = runs.flatMap((run) => {
    const histogram = run.histogram(tag);
    return histogram === undefined ? [] : [{ title: run.name, index: run.index, histogram }];
  });
  if (found.length === 0) return [];
  const least = Math.min(...found.map(({ histogram: { min } }) => min));
  const most = Math.max(...found.map(({ histogram: { max } }) => max));
  // Where all norms are the same, they are a peak in the middle.
  const spread = most - least || Math.max(1, Math.abs(most));
  const first = most > least ? least : least - spread / 2;
  const width = spread / BINS;
  const ranges = found.map(
    ({ title: run, histogram: { min, max } }) => `${run} ${min.toPrecision(3)} to ${max.toPrecision(3)}`,
  );
  return [
    linesFigure(
      {
        ...{ id, title, label: `${title}: ${ranges.join('; ')}`, xTitle: 'norm', yTitle: '%' },
        isFromZero: true,
      },
      found.map(({ title: run, index, histogram }) => ({
        ...{ title: run, index },
        points: sharesOf(histogram, first, width, BINS).map(
          (share, bin) => [first + (bin + 0.5) * width, 100 * share] as const,
        ),
      })),
    ),
  ];
}
