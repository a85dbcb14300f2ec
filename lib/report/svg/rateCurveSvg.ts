/** Draws the loss over a learning rate that rose exponentially, with the rates that are suggested. */
import { MarginCoreError } from '../../base/errors.js';
import { significant } from '../format.js';
import { roundTicks } from './histogram.js';
import { escapeXml, round, text } from './svg.js';

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

const WIDTH = 800;
const HEIGHT = 450;
const PLOT = { left: 62, right: WIDTH - 30, top: 120, bottom: HEIGHT - 62 } as const;

const INK = '#1f2937';
const QUIET = '#6b7280';
const GRID = '#e5e7eb';
const CURVE = '#1d4ed8';
const MARK = '#b45309';

/** A self-contained SVG with a background of its own. Throws INVALID_DATA where there are no two points. */
export function rateCurveSvg(input: RateCurveSvgInput): string {
  const { rates, losses, smoothed, marks, title, subtitle } = input;
  if (rates.length < 2) throw new MarginCoreError('INVALID_DATA', 'rateCurveSvg: there is no curve to draw');
  const [low, high] = [Math.log10(rates[0]!), Math.log10(rates.at(-1)!)];
  const xOf = (rate: number) =>
    round(PLOT.left + ((Math.log10(rate) - low) / (high - low)) * (PLOT.right - PLOT.left));
  const ticks = roundTicks(Math.max(...smoothed));
  const top = ticks.at(-1)!;
  const yOf = (loss: number) => round(PLOT.bottom - (Math.min(loss, top) / top) * (PLOT.bottom - PLOT.top));
  const line = (values: readonly number[]) =>
    values.map((value, index) => `${index === 0 ? 'M' : 'L'}${xOf(rates[index]!)} ${yOf(value)}`).join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title desc" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif" font-size="13" fill="${INK}">
<title id="title">${escapeXml(title)}</title>
<desc id="desc">${escapeXml(describe(input))}</desc>
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${HEIGHT - 1}" rx="12" fill="#ffffff" stroke="#d1d5db"/>
${text(PLOT.left, 40, title, 'font-size="19" font-weight="600"')}
${text(PLOT.left, 63, subtitle, `fill="${QUIET}"`)}
${ticks.map((loss) => lossTick(loss, yOf(loss))).join('\n')}
${decades(low, high)
  .map((power) => rateTick(power, xOf(10 ** power)))
  .join('\n')}
<path d="M${PLOT.left} ${PLOT.bottom}H${PLOT.right}" stroke="${INK}"/>
<path d="${line(losses)}" fill="none" stroke="${CURVE}" stroke-opacity="0.25"/>
<path d="${line(smoothed)}" fill="none" stroke="${CURVE}" stroke-width="2" stroke-linejoin="round"/>
${marks.map(({ rate, label }, index) => mark(xOf(rate), PLOT.top - 26 + 16 * index, label)).join('\n')}
${text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 45, 'learning rate; pale: the loss of each step, dark: smoothed', `text-anchor="middle" fill="${QUIET}"`)}
</svg>
`;
}

function describe({ rates, smoothed, marks }: RateCurveSvgInput): string {
  const [first, last] = [rates[0]!, rates.at(-1)!].map(significant);
  const suggested = marks.map(({ rate, label }) => `${label}: ${significant(rate)}`).join('; ');
  return (
    `The smoothed loss of ${rates.length} steps over a learning rate from ${first} to ${last}: ` +
    `${significant(smoothed[0]!)} at first, ${significant(Math.min(...smoothed))} at least. ${suggested}`
  );
}

/** Powers of ten between two logarithms. */
const decades = (low: number, high: number): number[] =>
  Array.from(
    { length: Math.floor(high + 1e-9) - Math.ceil(low - 1e-9) + 1 },
    (_, index) => Math.ceil(low - 1e-9) + index,
  );

function lossTick(loss: number, y: number): string {
  return `<path d="M${PLOT.left} ${y}H${PLOT.right}" stroke="${GRID}"/>\n${text(PLOT.left - 8, y + 4, String(round(loss)), `text-anchor="end" fill="${QUIET}"`)}`;
}

function rateTick(power: number, x: number): string {
  return `<path d="M${x} ${PLOT.bottom}v5" stroke="${INK}"/>\n${text(x, PLOT.bottom + 21, String(Number(`1e${power}`)), `text-anchor="middle" fill="${QUIET}"`)}`;
}

/** Each has a line of its own for the label. */
function mark(x: number, y: number, label: string): string {
  const anchor = x < WIDTH * 0.7 ? 'start' : 'end';
  const shown = text(
    x + (anchor === 'start' ? 7 : -7),
    y + 4,
    label,
    `text-anchor="${anchor}" font-weight="600" fill="${MARK}"`,
  );
  return `<path d="M${x} ${y - 6}V${PLOT.bottom}" stroke="${MARK}" stroke-width="1.5" stroke-dasharray="5 4"/>\n${shown}`;
}
