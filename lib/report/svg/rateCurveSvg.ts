/** Draws the loss over a learning rate that rose exponentially, with the rates that are suggested. */
import { MarginCoreError } from '../../base/errors.js';
import { AXIS } from '../charts/axes.js';
import { significant } from '../format.js';
import { PICTURE_GRID, pictureSvg } from './picture.js';

export interface RateCurveSvgInput {
  /** Above 0, rising */
  readonly rates: readonly number[];
  /** Of each rate, above 0 */
  readonly losses: readonly number[];
  readonly smoothed: readonly number[];
  readonly marks: readonly { readonly rate: number; readonly label: string }[];
  readonly title: string;
  readonly subtitle: string;
}

/** Of the smoothed loss, what is left above it: single steps may reach further, and are cut off. */
const HEADROOM = 1.1;

/** A self-contained SVG with a background of its own. Throws INVALID_DATA where there are no two points. */
export function rateCurveSvg(input: RateCurveSvgInput): string {
  const { rates, losses, smoothed, marks, title, subtitle } = input;
  if (rates.length < 2) throw new MarginCoreError('INVALID_DATA', 'rateCurveSvg: there is no curve to draw');
  const top = HEADROOM * Math.max(...smoothed);
  const line = (values: readonly number[], width: number, opacity: number) => ({
    ...{ type: 'line' as const, showSymbol: false, color: 'var(--c0)', lineStyle: { width, opacity } },
    data: values.map((value, index) => [rates[index]!, Math.min(value, top)]),
  });
  const marked = marks.map(({ rate, label }, index) => ({
    xAxis: rate,
    label: {
      ...{ formatter: label, color: 'var(--c1)', fontWeight: 'bold' as const, distance: 2 + 16 * index },
      align: isLeft(rate, rates) ? ('left' as const) : ('right' as const),
    },
  }));
  return pictureSvg(
    { title, subtitle, description: describe(input) },
    {
      grid: PICTURE_GRID,
      xAxis: {
        ...{ ...AXIS, type: 'log', min: rates[0]!, max: rates.at(-1)!, nameGap: 32 },
        axisLabel: { ...AXIS.axisLabel, formatter: (rate: number) => significant(rate) },
        name: 'learning rate; pale: the loss of each step, dark: smoothed',
      },
      yAxis: {
        ...{ ...AXIS, type: 'value', min: 0, max: top },
        axisLabel: { ...AXIS.axisLabel, showMaxLabel: false },
      },
      series: [
        line(losses, 1, 0.25),
        {
          ...line(smoothed, 2, 1),
          markLine: {
            // Rates are rounded to so many decimals.
            ...{ symbol: 'none', precision: 12, lineStyle: { color: 'var(--c1)', width: 1.5, type: [5, 4] } },
            data: marked,
          },
        },
      ],
    },
  );
}

function describe({ rates, smoothed, marks }: RateCurveSvgInput): string {
  const [first, last] = [rates[0]!, rates.at(-1)!].map(significant);
  const suggested = marks.map(({ rate, label }) => `${label}: ${significant(rate)}`).join('; ');
  return (
    `The smoothed loss of ${rates.length} steps over a learning rate from ${first} to ${last}: ` +
    `${significant(smoothed[0]!)} at first, ${significant(Math.min(...smoothed))} at least. ${suggested}`
  );
}

/** A label beside its mark has room on one side. */
function isLeft(rate: number, rates: readonly number[]): boolean {
  const [low, high] = [Math.log(rates[0]!), Math.log(rates.at(-1)!)];
  return (Math.log(rate) - low) / (high - low) < 0.7;
}
