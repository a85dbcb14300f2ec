/** Lines of several rows in one chart. */

import { AXIS, SMALL } from '../charts/axes.js';
import { chartSvg } from '../charts/chart.js';
import { colourOf, dashOf } from './colours.js';
import type { Figure } from './figure.js';

export interface Line {
  /** Of its row */
  readonly title: string;
  /** Of its row, which has the colour */
  readonly index: number;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LinesOptions {
  readonly id: string;
  readonly title: string;
  /** What a screen reader says of it */
  readonly label: string;
  readonly xTitle: string;
  /** Of the column of values */
  readonly yTitle: string;
  /** The x axis begins at 1 and has whole numbers. */
  readonly isCounted?: boolean;
  /** Where values are of more than one power of ten. Those of 0 or below are then left out of the picture. */
  readonly isLogarithmic?: boolean;
  /** The y axis begins at 0. */
  readonly isFromZero?: boolean;
}

export function linesFigure(
  { id, title, label, xTitle, yTitle, ...axes }: LinesOptions,
  lines: readonly Line[],
): Figure {
  const { isCounted = false, isFromZero = false } = axes;
  const isLogarithmic = axes.isLogarithmic === true && isOfMorePowers(lines);
  const drawn = ({ points }: Line) =>
    points
      .map((point) => point.map(drawable))
      .filter((point) => point.every(Number.isFinite) && (!isLogarithmic || point[1]! > 0));
  return {
    ...{ id, title },
    svg: chartSvg(
      {
        grid: { left: 58, right: 14, top: 14, bottom: 44 },
        xAxis: {
          ...{ ...AXIS, type: 'value', name: xTitle, nameGap: 26, scale: true },
          axisLabel: { ...AXIS.axisLabel, hideOverlap: true },
          ...(isCounted && { min: 1, minInterval: 1 }),
        },
        yAxis: {
          ...AXIS,
          type: isLogarithmic ? 'log' : 'value',
          axisLabel: { ...AXIS.axisLabel, formatter: short },
          ...(isFromZero ? { min: 0 } : { scale: true }),
        },
        series: lines.map((line) => ({
          type: 'line',
          // A single point is no line.
          symbol: 'circle',
          showSymbol: line.points.length === 1,
          color: colourOf(line.index),
          lineStyle: { width: 2, type: dashOf(line.index) },
          data: drawn(line),
        })),
      },
      { id, ...SMALL, label },
    ),
    table: [
      ['row', xTitle, yTitle],
      ...lines.flatMap((line) => line.points.map(([x, y]) => [line.title, x, y])),
    ],
  };
}

/** What there is room for beside an axis. */
function short(value: number): string {
  const plain = String(Number(value.toPrecision(5)));
  return plain.length > MOST_CHARACTERS ? Number(value.toPrecision(4)).toExponential() : plain;
}

const MOST_CHARACTERS = 7;

/** Steps of axes are rounded to twenty decimals, and the charts fail where that leaves nothing of them. */
const drawable = (value: number) => (Math.abs(value) < 1e-15 ? 0 : value);

function isOfMorePowers(lines: readonly Line[]): boolean {
  const values = lines
    .flatMap(({ points }) => points.map(([, y]) => y))
    .filter((y) => y > 0 && Number.isFinite(y));
  const least = values.reduce((min, value) => Math.min(min, value), Number.POSITIVE_INFINITY);
  return values.some((value) => value > 10 * least);
}
