import { AXIS, SMALL } from '../charts/axes.js';
import { chartSvg } from '../charts/chart.js';
import type { Figure } from './figure.js';

/** By angle, degree by degree from 0 on */
export interface AngleShares {
  readonly own: readonly number[];
  readonly nearestOther: readonly number[];
}

/** How angles to the own class and to the nearest other are distributed. */
export function anglesFigure(
  { id, title, label }: Pick<Figure, 'id' | 'title'> & { readonly label: string },
  [ownTitle, otherTitle]: readonly [own: string, nearestOther: string],
  { own, nearestOther }: AngleShares,
): Figure {
  const last =
    Math.max(
      own.findLastIndex((share) => share > 0),
      nearestOther.findLastIndex((share) => share > 0),
    ) + 2;
  const series = (name: string, shares: readonly number[], color: string) => ({
    ...{ type: 'line' as const, name, color, step: 'middle' as const, showSymbol: false },
    areaStyle: { opacity: 0.25 },
    data: shares.slice(0, last).map((share, degree) => [degree + 0.5, 100 * share]),
  });
  return {
    ...{ id, title },
    svg: chartSvg(
      {
        legend: { textStyle: { color: 'var(--ink)' }, top: 0 },
        grid: { left: 46, right: 14, top: 34, bottom: 44 },
        xAxis: { ...AXIS, type: 'value', name: 'degrees', nameGap: 26, max: last },
        yAxis: { ...AXIS, type: 'value', axisLabel: { ...AXIS.axisLabel, formatter: '{value} %' } },
        series: [series(ownTitle, own, 'var(--c0)'), series(otherTitle, nearestOther, 'var(--c1)')],
      },
      { id, ...SMALL, label },
    ),
    table: [
      ['degrees', ownTitle, otherTitle],
      ...own.slice(0, last).map((share, degree) => [degree, share, nearestOther[degree]!]),
    ],
  };
}
