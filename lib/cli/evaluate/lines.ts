/** What `evaluate` prints, within 80 columns. */
import type { ClassificationReport } from '../../metrics/classification.js';
import type { EmbeddingReport } from '../../metrics/embeddingReport.js';
import { count, percent } from '../../report/format.js';

/** Beyond so many classes nobody reads a table of them. */
const MOST_CLASSES = 30;
/** Columns of a class's name: the table's others take 40. */
const NAME = 40;
const WIDTHS = [9, 8, 8, 9];

/** Of few classes a line for each, with its name. */
export function classificationLines(report: ClassificationReport, classNames: readonly string[]): string[] {
  const { topK, macro, ece, numClasses } = report;
  const top = topK.filter(({ k }) => k > 1 && k < numClasses);
  const overall = [
    ...top.map(({ k, accuracy }) => `top-${k} ${percent(accuracy)}`),
    `macro F1 ${percent(macro.f1)}`,
    `calibration error ${percent(ece)}`,
  ].join(', ');
  if (numClasses > MOST_CLASSES) {
    return [overall, `precision, recall and F1 of each of the ${count(numClasses)} classes: --json`];
  }
  return [overall, '', ...classTable(report, classNames)];
}

function classTable({ perClass }: ClassificationReport, classNames: readonly string[]): string[] {
  const names = classNames.map((name) => (name.length > NAME ? `${name.slice(0, NAME - 1)}…` : name));
  const width = Math.max('class'.length, ...names.map(({ length }) => length));
  const line = (name: string, cells: readonly string[]) =>
    name.padEnd(width) + cells.map((cell, column) => cell.padStart(1 + WIDTHS[column]!)).join('');
  return [
    line('class', ['precision', 'recall', 'F1', 'images']),
    ...perClass.map(({ precision, recall, f1, support }, label) =>
      line(names[label]!, [...[precision, recall, f1].map(percent), count(support)]),
    ),
  ];
}

export function embeddingLines({
  knn,
  nearestCentroid,
  rank1,
  rPrecision,
  mapAtR,
  angles,
  lone,
  withoutDirection,
}: EmbeddingMeans): string[] {
  const share = (value: number | undefined) => (value === undefined ? '–' : percent(value));
  const degrees = (value: number) => `${value.toFixed(1)}°`;
  return [
    '',
    `embeddings: nearest centroid ${percent(nearestCentroid)}`,
    `k nearest neighbours ${knn.map(({ k, accuracy }) => `${percent(accuracy)} (k ${k})`).join(', ')}`,
    `rank-1 ${share(rank1)}, R-precision ${share(rPrecision)}, mAP@R ${share(mapAtR)}`,
    ...(lone > 0 ? [`${count(lone)} without another of their class are left out of these three`] : []),
    ...(withoutDirection > 0
      ? [`${count(withoutDirection)} of zeros have no direction and count as wrong`]
      : []),
    ...(angles === undefined
      ? []
      : [
          `mean angle to the own class centre ${degrees(angles.ownCentreMean)}, ` +
            `between nearest class centres ${degrees(angles.nearestOtherCentreMean)}`,
        ]),
  ];
}

/** All but the angles of the single images. */
export type EmbeddingMeans = Omit<EmbeddingReport, 'angles'> & {
  readonly angles?: { readonly ownCentreMean: number; readonly nearestOtherCentreMean: number };
};

export function meansOf({ angles, ...report }: EmbeddingReport): EmbeddingMeans {
  if (angles === undefined) return report;
  const { ownCentreMean, nearestOtherCentreMean } = angles;
  return { ...report, angles: { ownCentreMean, nearestOtherCentreMean } };
}
