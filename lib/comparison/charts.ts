/** The report's charts: scores, learning curves, angles, confusion. Each row of the table has its colour. */

import type { AnalysedEpoch, Analysis } from '../experiments/analysis.js';
import type { MeasureName } from '../experiments/outcome.js';
import { MEASURES } from '../experiments/outcome.js';
import { chartSvg } from '../report/charts/chart.js';
import type { ComparisonRow } from './compare.js';
import type { Figure } from './figure.js';

const COLOURS = 10;

export const colourOf = (row: number) => `var(--c${row % COLOURS})`;
/** Rows beyond the colours. */
const dashOf = (row: number) => (['solid', 'dashed', 'dotted'] as const)[Math.floor(row / COLOURS) % 3]!;

export const titleOf = ({ key: { network, head } }: ComparisonRow) =>
  network === undefined ? head : `${head}, ${network}`;

const LINE = { lineStyle: { color: 'var(--line)' } } as const;
const AXIS = {
  axisLine: LINE,
  axisTick: LINE,
  splitLine: LINE,
  axisLabel: { color: 'var(--quiet)' },
  nameTextStyle: { color: 'var(--quiet)' },
  nameLocation: 'middle',
} as const;
const SMALL = { width: 380, height: 270 } as const;

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

interface Curve {
  readonly id: string;
  readonly title: string;
  readonly value: keyof AnalysedEpoch;
  readonly isLogarithmic?: boolean;
}

const CURVES: readonly Curve[] = [
  { id: 'training-loss', title: 'Training loss, with the margin', value: 'loss', isLogarithmic: true },
  { id: 'training-accuracy', title: 'Training accuracy, without margin', value: 'accuracy' },
  {
    id: 'logit-gradient',
    title: 'Norm of the gradient at the logits',
    value: 'logitGradientNorm',
    isLogarithmic: true,
  },
  { id: 'target-angle', title: "Angle to the own class's weight, median, degrees", value: 'targetAngle' },
];

export function curveCharts(rows: readonly ComparisonRow[]): Figure[] {
  const analysed = rows.flatMap((row, index) =>
    row.analysis === undefined ? [] : [{ title: titleOf(row), index, epochs: row.analysis.epochs }],
  );
  if (analysed.every(({ epochs }) => epochs.length < 2)) return [];
  return CURVES.map(({ id, title, value, isLogarithmic }) => ({
    ...{ id, title: `${title}, seed 1` },
    svg: chartSvg(
      {
        grid: { left: 52, right: 14, top: 14, bottom: 44 },
        xAxis: { ...AXIS, type: 'value', name: 'epoch', nameGap: 26, min: 1, minInterval: 1 },
        yAxis: { ...AXIS, type: isLogarithmic ? 'log' : 'value', scale: true },
        series: analysed.map(({ index, epochs }) => ({
          type: 'line',
          showSymbol: false,
          color: colourOf(index),
          lineStyle: { width: 2, type: dashOf(index) },
          data: epochs
            .filter((each) => !isLogarithmic || each[value] > 0)
            .map((each) => [each.epoch, each[value]]),
        })),
      },
      {
        id,
        ...SMALL,
        label: `${title} by epoch. At the end: ${analysed.map((each) => `${each.title} ${each.epochs.at(-1)![value].toPrecision(3)}`).join('; ')}`,
      },
    ),
    table: [
      ['row', 'epoch', value],
      ...analysed.flatMap((each) => each.epochs.map((epoch) => [each.title, epoch.epoch, epoch[value]])),
    ],
  }));
}

/** How large logits and class weights are: what heads do to them, beside one another. */
export function sizeCharts(rows: readonly ComparisonRow[]): Figure[] {
  const analysed = rows.flatMap((row, index) =>
    row.analysis === undefined ? [] : [{ title: titleOf(row), index, ...row.analysis }],
  );
  if (analysed.length === 0) return [];
  const line = (index: number, data: readonly (readonly [number, number])[]) => ({
    ...{
      type: 'line' as const,
      showSymbol: false,
      color: colourOf(index),
      data: data.map((point) => [...point]),
    },
    lineStyle: { width: 2, type: dashOf(index) },
  });
  const shares = analysed.map(({ title, index, logits: { first, width, shares } }) => ({
    ...{ title, index },
    // Of a bin the share for each unit: bins of different rows are not as wide.
    points: shares.map((share, bin) => [first + (bin + 0.5) * width, share / width] as const),
  }));
  const norms = analysed.map(({ title, index, weightNorms }) => ({
    ...{ title, index },
    points: weightNorms.map((norm, rank) => [rank + 1, norm] as const),
  }));
  const grid = { left: 52, right: 14, top: 14, bottom: 44 };
  const axis = (name: string) => ({ ...AXIS, type: 'value' as const, name, nameGap: 26, scale: true });
  const tableOf = (titles: readonly string[], lines: typeof shares) => [
    ['row', ...titles],
    ...lines.flatMap(({ title, points }) => points.map((point) => [title, ...point])),
  ];
  return [
    {
      id: 'logits',
      title: 'Logits of test images, all classes, without margin: density',
      svg: chartSvg(
        {
          grid,
          xAxis: axis('logit'),
          yAxis: { ...AXIS, type: 'value' },
          series: shares.map(({ index, points }) => line(index, points)),
        },
        {
          id: 'logits',
          ...SMALL,
          label: `Distribution of the logits: ${analysed.map(({ title, logits: { mean, std } }) => `${title} ${mean.toPrecision(3)} ± ${std.toPrecision(3)}`).join('; ')}`,
        },
      ),
      table: tableOf(['logit', 'density'], shares),
    },
    {
      id: 'weight-norms',
      title: 'Norms of the class weights, the longest first',
      svg: chartSvg(
        {
          grid,
          xAxis: { ...axis('rank'), min: 1, minInterval: 1 },
          yAxis: { ...AXIS, type: 'value', min: 0 },
          series: norms.map(({ index, points }) => line(index, points)),
        },
        {
          id: 'weight-norms',
          ...SMALL,
          label: `Norms of the class weights: ${analysed.map(({ title, weightNorms }) => `${title} ${weightNorms.at(-1)} to ${weightNorms[0]}`).join('; ')}`,
        },
      ),
      table: tableOf(['rank', 'norm'], norms),
    },
  ];
}

export function anglesChart(
  title: string,
  number: number,
  { own, nearestOther }: NonNullable<Analysis['angles']>,
): Figure {
  const last =
    Math.max(
      own.findLastIndex((share) => share > 0),
      nearestOther.findLastIndex((share) => share > 0),
    ) + 2;
  const id = `angles-${number}`;
  const series = (name: string, shares: readonly number[], color: string) => ({
    ...{ type: 'line' as const, name, color, step: 'middle' as const, showSymbol: false },
    areaStyle: { opacity: 0.25 },
    data: shares.slice(0, last).map((share, degree) => [degree + 0.5, 100 * share]),
  });
  return {
    id,
    title: `${title}: angles of test embeddings`,
    svg: chartSvg(
      {
        legend: { textStyle: { color: 'var(--ink)' }, top: 0 },
        grid: { left: 46, right: 14, top: 34, bottom: 44 },
        xAxis: { ...AXIS, type: 'value', name: 'degrees', nameGap: 26, max: last },
        yAxis: { ...AXIS, type: 'value', axisLabel: { ...AXIS.axisLabel, formatter: '{value} %' } },
        series: [series('own centre', own, 'var(--c0)'), series('nearest other', nearestOther, 'var(--c1)')],
      },
      {
        id,
        ...SMALL,
        label: `${title}: histogram of the angles of test embeddings to the centre of their own class and to the nearest other`,
      },
    ),
    table: [
      ['degrees', 'own centre', 'nearest other'],
      ...own.slice(0, last).map((share, degree) => [degree, share, nearestOther[degree]!]),
    ],
  };
}

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
