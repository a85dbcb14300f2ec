/** What charts of pages have in common. */

export const LINE = { lineStyle: { color: 'var(--line)' } } as const;
export const AXIS = {
  axisLine: LINE,
  axisTick: LINE,
  splitLine: LINE,
  axisLabel: { color: 'var(--quiet)' },
  nameTextStyle: { color: 'var(--quiet)' },
  nameLocation: 'middle',
} as const;
export const SMALL = { width: 380, height: 270 } as const;
