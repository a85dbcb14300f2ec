import { spread } from '../shared/statistics.mjs';
import { BEND_ABOVE } from './plan.mjs';

/**
 * The rows of a table, from the seconds per step that each of its values took, a number per round.
 * `exponent`: time grew as the value to this power since the row before, so 1 is in proportion.
 */
export function costRows({ units }, measured) {
  const rows = [];
  for (const { value, seconds, disturbed } of measured) {
    const { median, min, max } = spread(seconds);
    const row = { value, seconds: median, min, max, perUnit: median / units(value), disturbed };
    rows.push(rows.length > 0 ? { ...row, ...growth(rows.at(-1), row) } : row);
  }
  return rows;
}

function growth(before, { value, seconds, perUnit }) {
  const ratio = seconds / before.seconds;
  const perUnitRatio = perUnit / before.perUnit;
  const exponent = Math.log(ratio) / Math.log(value / before.value);
  return { ratio, perUnitRatio, exponent, bend: Math.max(perUnitRatio, 1 / perUnitRatio) > BEND_ABOVE };
}

const UNITS = [
  [1, 's'],
  [1e-3, 'ms'],
  [1e-6, 'µs'],
  [1e-9, 'ns'],
];

/** In the unit that gives the fewest zeros. */
export function duration(seconds) {
  const [size, unit] = UNITS.find(([least]) => seconds >= least) ?? UNITS.at(-1);
  const value = seconds / size;
  return `${value >= 100 ? Math.round(value) : value.toPrecision(3)} ${unit}`;
}

export const cells = ({ value, seconds, perUnit, ratio, perUnitRatio, exponent, bend, disturbed }) => [
  value.toLocaleString('en-US'),
  `${disturbed ? '(disturbed) ' : ''}${duration(seconds)}`,
  duration(perUnit),
  ...(ratio === undefined
    ? ['', '', '']
    : [`${ratio.toFixed(2)}×`, `${perUnitRatio.toFixed(2)}×`, exponent.toFixed(2)]),
  bend ? 'bends' : '',
];

export const headings = ({ variable, per }) => [
  variable,
  'a step',
  `per ${per}`,
  'step, to the row before',
  'per unit, to the row before',
  'exponent',
  '',
];
