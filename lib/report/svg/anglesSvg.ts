/**
 * Draws how well a model separates its classes: two histograms over 0…180°, of each test embedding's angle to the
 * centre of its own class and to the nearest centre of another one. The further apart, the better.
 */
import type { LineSeriesOption } from 'echarts';
import { MarginCoreError } from '../../base/errors.js';
import { AXIS } from '../charts/axes.js';
import { histogram, median } from './histogram.js';
import { PICTURE_GRID, pictureSvg } from './picture.js';

export interface AnglesSvgInput {
  /** Degrees, one per sample */
  readonly own: Float32Array;
  /** Degrees, one per sample */
  readonly nearestOther: Float32Array;
  readonly title: string;
  readonly subtitle?: string;
}

const DEGREES = 180;
const BINS = 90;

/** A self-contained SVG with a background of its own. Throws INVALID_DATA where there are no angles. */
export function anglesSvg({ own, nearestOther, ...text }: AnglesSvgInput): string {
  if (own.length === 0 || nearestOther.length === 0) {
    throw new MarginCoreError('INVALID_DATA', 'anglesSvg: there are no angles to draw');
  }
  const described = (values: Float32Array) => `median ${median(values).toFixed(1)} degrees`;
  const description =
    `Histograms over 0 to 180 degrees for ${own.length} samples. Angle to the centre of its own class: ${described(own)}. ` +
    `Angle to the nearest centre of another class: ${described(nearestOther)}.`;
  return pictureSvg(
    { ...text, description },
    {
      grid: PICTURE_GRID,
      legend: { left: PICTURE_GRID.left - 5, top: 76, itemGap: 40, textStyle: { color: 'var(--ink)' } },
      xAxis: {
        ...{ ...AXIS, type: 'value', min: 0, max: DEGREES, interval: 30, nameGap: 32 },
        axisLabel: { ...AXIS.axisLabel, formatter: '{value}°' },
        name: 'angle from test embedding to class centre (height: share of the samples per 2°)',
      },
      yAxis: { ...AXIS, type: 'value', axisLabel: { ...AXIS.axisLabel, formatter: '{value} %' } },
      series: [
        seriesOf('to the centre of its own class', own, 'var(--c0)', 18),
        seriesOf('to the nearest centre of another class', nearestOther, 'var(--c1)', 2),
      ],
    },
  );
}

/** @param labelAbove Pixels: close medians do not cover each other's. */
function seriesOf(name: string, values: Float32Array, color: string, labelAbove: number): LineSeriesOption {
  const middle = median(values);
  const width = DEGREES / BINS;
  return {
    ...{ type: 'line', name, color, step: 'middle', showSymbol: false, areaStyle: { opacity: 0.4 } },
    lineStyle: { width: 1.25 },
    data: histogram(values, BINS, DEGREES).map((share, bin) => [(bin + 0.5) * width, 100 * share]),
    markLine: {
      ...{ symbol: 'none', animation: false, lineStyle: { color, width: 1.5, type: [5, 4] } },
      label: {
        ...{ formatter: `median ${middle.toFixed(1)}°`, color, fontWeight: 'bold', distance: labelAbove },
        align: middle < DEGREES - 30 ? 'left' : 'right',
      },
      data: [{ xAxis: middle }],
    },
  };
}
