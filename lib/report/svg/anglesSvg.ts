/**
 * Draws how well a model separates its classes: two histograms over 0…180°, of each test embedding's angle to the
 * centre of its own class and to the nearest centre of another one. The further apart, the better.
 */
import { MarginCoreError } from '../../base/errors.js';
import { histogram, median, roundTicks } from './histogram.js';
import { escapeXml, round, text } from './svg.js';

export interface AnglesSvgInput {
  /** Degrees, one per sample */
  readonly own: Float32Array;
  /** Degrees, one per sample */
  readonly nearestOther: Float32Array;
  readonly title: string;
  readonly subtitle?: string;
}

const WIDTH = 800;
const HEIGHT = 450;
const PLOT = { left: 62, right: WIDTH - 30, top: 150, bottom: HEIGHT - 62 } as const;
const DEGREES = 180;
const BINS = 90;

const INK = '#1f2937';
const QUIET = '#6b7280';
const GRID = '#e5e7eb';

/** Blue and orange stay apart for colour-blind readers; the dark tone is for lines and text. */
const SERIES = {
  own: { fill: '#3b82f6', dark: '#1d4ed8', legend: 'to the centre of its own class', labelY: PLOT.top - 30 },
  nearestOther: {
    fill: '#f59e0b',
    dark: '#b45309',
    legend: 'to the nearest centre of another class',
    labelY: PLOT.top - 10,
  },
} as const;
type SeriesName = keyof typeof SERIES;

/** A self-contained SVG with a background of its own. Throws INVALID_DATA where there are no angles. */
export function anglesSvg(input: AnglesSvgInput): string {
  if (input.own.length === 0 || input.nearestOther.length === 0) {
    throw new MarginCoreError('INVALID_DATA', 'anglesSvg: there are no angles to draw');
  }
  const shares = {
    own: histogram(input.own, BINS, DEGREES),
    nearestOther: histogram(input.nearestOther, BINS, DEGREES),
  };
  const medians = { own: median(input.own), nearestOther: median(input.nearestOther) };
  const ticks = roundTicks(Math.max(...shares.own, ...shares.nearestOther));
  const yOf = (share: number) => PLOT.bottom - (share / ticks.at(-1)!) * (PLOT.bottom - PLOT.top);

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title desc" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif" font-size="13" fill="${INK}">
<title id="title">${escapeXml(input.title)}</title>
<desc id="desc">${describe(input.own.length, medians)}</desc>
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${HEIGHT - 1}" rx="12" fill="#ffffff" stroke="#d1d5db"/>
${heading(input)}
${legend()}
${shareAxis(ticks, yOf)}
${area('nearestOther', shares.nearestOther, yOf)}
${area('own', shares.own, yOf)}
${degreeAxis()}
${medianMark('own', medians.own)}
${medianMark('nearestOther', medians.nearestOther)}
</svg>
`;
}

function describe(samples: number, medians: Record<SeriesName, number>): string {
  return (
    `Histograms over 0 to 180 degrees for ${samples} samples. Angle to the centre of its own class: median ` +
    `${medians.own.toFixed(1)} degrees. Angle to the nearest centre of another class: median ` +
    `${medians.nearestOther.toFixed(1)} degrees.`
  );
}

function heading({ title, subtitle }: AnglesSvgInput): string {
  const main = (y: number) => text(PLOT.left, y, title, 'font-size="19" font-weight="600"');
  return subtitle === undefined
    ? main(52)
    : `${main(40)}\n${text(PLOT.left, 63, subtitle, `fill="${QUIET}"`)}`;
}

function legend(): string {
  const entry = (name: SeriesName, x: number) => {
    const { fill, dark, legend } = SERIES[name];
    const swatch = `<rect x="${x}" y="80" width="14" height="14" rx="3" fill="${fill}" fill-opacity="0.55" stroke="${dark}"/>`;
    return `${swatch}\n${text(x + 22, 92, legend)}`;
  };
  return `${entry('own', PLOT.left)}\n${entry('nearestOther', PLOT.left + 230)}`;
}

function shareAxis(ticks: readonly number[], yOf: (share: number) => number): string {
  const lines = ticks.map((share) => {
    const y = round(yOf(share));
    const label = text(PLOT.left - 8, y + 4, `${round(share * 100)} %`, `text-anchor="end" fill="${QUIET}"`);
    return `<path d="M${PLOT.left} ${y}H${PLOT.right}" stroke="${GRID}"/>\n${label}`;
  });
  return lines.join('\n');
}

function degreeAxis(): string {
  const ticks = Array.from({ length: 7 }, (_, index) => {
    const degrees = 30 * index;
    const x = round(xOf(degrees));
    const label = text(x, PLOT.bottom + 21, `${degrees}°`, `text-anchor="middle" fill="${QUIET}"`);
    return `<path d="M${x} ${PLOT.bottom}v5" stroke="${INK}"/>\n${label}`;
  });
  const middle = (PLOT.left + PLOT.right) / 2;
  const caption = text(
    middle,
    PLOT.bottom + 45,
    'angle from test embedding to class centre (height: share of the samples per 2°)',
    `text-anchor="middle" fill="${QUIET}"`,
  );
  return `<path d="M${PLOT.left} ${PLOT.bottom}H${PLOT.right}" stroke="${INK}"/>\n${ticks.join('\n')}\n${caption}`;
}

/** The outline of the bars, from the first one that is not empty to the last. */
function area(name: SeriesName, shares: readonly number[], yOf: (share: number) => number): string {
  const first = shares.findIndex((share) => share > 0);
  const last = shares.findLastIndex((share) => share > 0);
  const edge = (bin: number) => round(xOf((bin * DEGREES) / BINS));
  const bars = shares
    .slice(first, last + 1)
    .map((share, index) => `V${round(yOf(share))}H${edge(first + index + 1)}`);
  const { fill, dark } = SERIES[name];
  return `<path d="M${edge(first)} ${PLOT.bottom}${bars.join('')}V${PLOT.bottom}Z" fill="${fill}" fill-opacity="0.55" stroke="${dark}" stroke-width="1.25" stroke-linejoin="round"/>`;
}

/** Each series has a row of its own for the label, so that close medians do not cover each other's. */
function medianMark(name: SeriesName, degrees: number): string {
  const { dark, labelY } = SERIES[name];
  const x = round(xOf(degrees));
  const anchor = degrees < DEGREES - 30 ? 'start' : 'end';
  const label = text(
    x + (anchor === 'start' ? 7 : -7),
    labelY + 4,
    `median ${degrees.toFixed(1)}°`,
    `text-anchor="${anchor}" font-weight="600" fill="${dark}"`,
  );
  return `<path d="M${x} ${labelY - 8}V${PLOT.bottom}" stroke="${dark}" stroke-width="1.5" stroke-dasharray="5 4"/>\n${label}`;
}

function xOf(degrees: number): number {
  return PLOT.left + (degrees / DEGREES) * (PLOT.right - PLOT.left);
}
