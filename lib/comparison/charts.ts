/** The report's charts: scores, learning curves, angles, confusion. Each row of the table has its colour. */

import type { Analysis } from '../experiments/analysis.js';
import type { MeasureName } from '../experiments/outcome.js';
import { MEASURES } from '../experiments/outcome.js';
import { AXIS, LINE } from '../report/charts/axes.js';
import { chartSvg } from '../report/charts/chart.js';
import { anglesFigure } from '../report/figures/anglesFigure.js';
import { colourOf } from '../report/figures/colours.js';
import type { Figure } from '../report/figures/figure.js';
import { linesFigure } from '../report/figures/linesFigure.js';
import { TRAINING_CURVES, type TrainingCurve } from '../report/figures/trainingCurves.js';
import type { ComparisonRow } from './comparison.js';

export const titleOf = ({ key: { network, head } }: ComparisonRow) =>
  network === undefined ? head : `${head}, ${network}`;

/** Every seed of every row, and the means. */
export function scoresChart(rows: readonly ComparisonRow[], measure: MeasureName): Figure {
  const shown = rows.map((row) => ({ title: titleOf(row), spread: row[measure] }));
  const { title } = MEASURES[measure];
  const id = `scores-${measure}`.replaceAll(/[^\w-]/g, '-');
  const scale = title.includes('%') ? 100 : 1;
  const titles = shown.map((each) => each.title);
  const longest = Math.max(...titles.map((each) => each.length));
  const svg = chartSvg(
    {
      grid: { left: Math.min(300, 20 + 6.6 * longest), right: 24, top: 12, bottom: 44 },
      xAxis: { ...AXIS, type: 'value', scale: true, name: title, nameGap: 26 },
      yAxis: { ...AXIS, type: 'category', data: titles, inverse: true, splitLine: { show: true, ...LINE } },
      series: [
        {
          type: 'scatter',
          symbolSize: 9,
          data: shown.flatMap(({ spread }, row) =>
            (spread?.values ?? []).map((value) => ({
              value: [value * scale, row],
              itemStyle: { color: colourOf(row), opacity: 0.55 },
            })),
          ),
        },
        {
          type: 'scatter',
          symbol: 'rect',
          symbolSize: [3, 20],
          data: shown.flatMap(({ spread }, row) =>
            spread === undefined
              ? []
              : [{ value: [spread.mean * scale, row], itemStyle: { color: colourOf(row) } }],
          ),
        },
      ],
    },
    {
      id,
      width: 900,
      height: 70 + 30 * rows.length,
      label: `${title} of each seed and their mean: ${shown.map((each) => `${each.title} ${each.spread?.mean.toPrecision(4) ?? 'none'}`).join('; ')}`,
    },
  );
  const table = shown.flatMap(({ title: row, spread }) =>
    (spread?.values ?? []).map((value, index) => [row, index + 1, value]),
  );
  return {
    ...{
      id: `scores-${measure}`.replaceAll(/[^\w-]/g, '-'),
      title: `${title}: each run, and the mean of each row`,
      svg,
    },
    table: [['row', 'run', measure], ...table],
    isWide: true,
  };
}

export function curveCharts(rows: readonly ComparisonRow[]): Figure[] {
  const analysed = analysedOf(rows);
  if (analysed.every(({ epochs }) => epochs.length < 2)) return [];
  return CURVES.map(([value, { id, title, ...axes }]) => {
    const ends = analysed.map((each) => `${each.title} ${each.epochs.at(-1)![value].toPrecision(3)}`);
    return linesFigure(
      {
        ...{ id, title: `${title}, seed 1`, xTitle: 'epoch', yTitle: value, isCounted: true, ...axes },
        label: `${title} by epoch. At the end: ${ends.join('; ')}`,
      },
      analysed.map(({ epochs, ...row }) => ({
        ...row,
        points: epochs.map((each) => [each.epoch, each[value]] as const),
      })),
    );
  });
}

const CURVES = Object.entries(TRAINING_CURVES) as [keyof typeof TRAINING_CURVES, TrainingCurve][];

const analysedOf = (rows: readonly ComparisonRow[]) =>
  rows.flatMap((row, index) =>
    row.analysis === undefined ? [] : [{ title: titleOf(row), index, ...row.analysis }],
  );

/** How large logits and class weights are: what heads do to them, beside one another. */
export function sizeCharts(rows: readonly ComparisonRow[]): Figure[] {
  const analysed = analysedOf(rows);
  if (analysed.length === 0) return [];
  const spreads = analysed.map(
    ({ title, logits: { mean, std } }) => `${title} ${mean.toPrecision(3)} ± ${std.toPrecision(3)}`,
  );
  const norms = analysed.map(
    ({ title, weightNorms }) => `${title} ${weightNorms.at(-1)} to ${weightNorms[0]}`,
  );
  return [
    linesFigure(
      {
        ...{ id: 'logits', title: 'Logits of test images, all classes, without margin: density' },
        label: `Distribution of the logits: ${spreads.join('; ')}`,
        ...{ xTitle: 'logit', yTitle: 'density', isFromZero: true },
      },
      analysed.map(({ title, index, logits: { first, width, shares } }) => ({
        ...{ title, index },
        // Of a bin the share for each unit: bins of different rows are not as wide.
        points: shares.map((share, bin) => [first + (bin + 0.5) * width, share / width] as const),
      })),
    ),
    linesFigure(
      {
        ...{ id: 'weight-norms', title: 'Norms of the class weights, the longest first' },
        label: `Norms of the class weights: ${norms.join('; ')}`,
        ...{ xTitle: 'rank', yTitle: 'norm', isCounted: true, isFromZero: true },
      },
      analysed.map(({ title, index, weightNorms }) => ({
        ...{ title, index },
        points: weightNorms.map((norm, rank) => [rank + 1, norm] as const),
      })),
    ),
  ];
}

export const anglesChart = (title: string, number: number, angles: NonNullable<Analysis['angles']>): Figure =>
  anglesFigure(
    {
      id: `angles-${number}`,
      title: `${title}: angles of test embeddings`,
      label: `${title}: histogram of the angles of test embeddings to the centre of their own class and to the nearest other`,
    },
    ['own centre', 'nearest other'],
    angles,
  );

/** Beyond so many classes nobody reads it. */
export const MOST_CONFUSED = 30;

export function confusionChart(
  title: string,
  number: number,
  confusion: readonly (readonly number[])[],
  classNames: readonly string[],
): Figure {
  const totals = confusion.map((row) => row.reduce((sum, count) => sum + count, 0) || 1);
  const cells = confusion.flatMap((row, label) =>
    row.map((count, predicted): [number, number, number] => [
      predicted,
      label,
      (100 * count) / totals[label]!,
    ]),
  );
  const axis = { ...AXIS, type: 'category' as const, data: [...classNames], splitLine: { show: false } };
  const id = `confusion-${number}`;
  const isRoomy = classNames.length <= 12;
  return {
    id,
    title: `${title}: what test images were taken for, % of each class`,
    svg: chartSvg(
      {
        grid: { left: 92, right: 10, top: 8, bottom: 84 },
        xAxis: {
          ...axis,
          axisLabel: { ...AXIS.axisLabel, rotate: 60, interval: 0, width: 70, overflow: 'truncate' },
        },
        yAxis: {
          ...axis,
          inverse: true,
          axisLabel: { ...AXIS.axisLabel, interval: 0, width: 80, overflow: 'truncate' },
        },
        visualMap: { show: false, min: 0, max: 100, inRange: { color: ['#e9f1fa', '#6db3f2', '#1b4f86'] } },
        series: {
          type: 'heatmap',
          data: cells.filter(([, , share]) => share > 0),
          label: {
            show: isRoomy,
            fontSize: 10,
            formatter: ({ value }) => {
              const share = (value as number[])[2]!;
              return share >= 0.5 ? share.toFixed(0) : '';
            },
          },
          itemStyle: { borderColor: 'var(--panel)', borderWidth: 1 },
        },
      },
      {
        id,
        width: 420,
        height: 400,
        label: `${title}: confusion matrix, labels by rows, predictions by columns`,
      },
    ),
    table: [
      ['label \\ predicted', ...classNames],
      ...confusion.map((row, label) => [classNames[label]!, ...row]),
    ],
  };
}
