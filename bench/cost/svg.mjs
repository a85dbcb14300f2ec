// The cost tables as a picture: a panel each, time of a step over the value, both logarithmic.
import { sourcesLine } from '../shared/sources.mjs';
import { duration } from './rows.mjs';

const [WIDTH, HEIGHT, COLUMNS] = [440, 300, 2];
const PLOT = { left: 64, right: WIDTH - 24, top: 44, bottom: HEIGHT - 48 };
const [INK, QUIET, GRID, LINE, BEND] = ['#1f2937', '#6b7280', '#e5e7eb', '#1d4ed8', '#b45309'];

const escapeXml = (content) => content.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
const text = (x, y, content, attributes = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escapeXml(content)}</text>`;

/** From a logarithmic axis to a coordinate. */
const scale = (low, high, from, to) => (value) =>
  from + ((Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low) || 1)) * (to - from);

const short = (value) =>
  value >= 1e6 ? `${value / 1e6}M` : value >= 1e4 ? `${value / 1e3}k` : String(value);

function panel({ title, variable, rows, units }, index) {
  const [name, work] = title.split(': ');
  const powers = rows.map(({ seconds }) => Math.log10(seconds));
  const [low, high] = [Math.floor(Math.min(...powers)), Math.ceil(Math.max(...powers) + 0.01)];
  const x = scale(rows[0].value, rows.at(-1).value, PLOT.left + 12, PLOT.right - 12);
  const y = scale(10 ** low, 10 ** high, PLOT.bottom, PLOT.top);
  const grid = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)).map((seconds) => {
    const at = y(seconds);
    const label = text(
      PLOT.left - 6,
      at + 4,
      duration(seconds * (1 + 1e-9)),
      `text-anchor="end" fill="${QUIET}"`,
    );
    return `<path d="M${PLOT.left} ${at.toFixed(1)}H${PLOT.right}" stroke="${GRID}"/>${label}`;
  });
  const ticks = rows.map(({ value }) =>
    text(x(value), PLOT.bottom + 18, short(value), `text-anchor="middle" fill="${QUIET}"`),
  );
  const path = (points) => `M${points.map(([px, py]) => `${px.toFixed(1)} ${py.toFixed(1)}`).join('L')}`;
  // In proportion to the last row; where it would leave the plot, it is cut off.
  const last = rows.at(-1);
  const proportion = rows.map(({ value }) => [
    x(value),
    y((last.seconds * units(value)) / units(last.value)),
  ]);
  const marks = rows.map(({ value, seconds, bend }) => {
    const ring = `<circle cx="${x(value).toFixed(1)}" cy="${y(seconds).toFixed(1)}"`;
    return `${ring} r="3" fill="${LINE}"/>${bend ? `${ring} r="7" fill="none" stroke="${BEND}" stroke-width="1.5"/>` : ''}`;
  });
  return `<g transform="translate(${(index % COLUMNS) * WIDTH} ${Math.floor(index / COLUMNS) * HEIGHT})">
<clipPath id="plot${index}"><path d="M${PLOT.left} ${PLOT.top}H${PLOT.right}V${PLOT.bottom}H${PLOT.left}Z"/></clipPath>
${text(PLOT.left, 18, name, 'font-size="12" font-weight="600"')}
${text(PLOT.left, 33, work, `fill="${QUIET}"`)}
${grid.join('\n')}
${ticks.join('\n')}
${text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 36, variable, 'text-anchor="middle"')}
<path d="${path(proportion)}" fill="none" stroke="${QUIET}" stroke-dasharray="4 4" clip-path="url(#plot${index})"/>
<path d="${path(rows.map(({ value, seconds }) => [x(value), y(seconds)]))}" fill="none" stroke="${LINE}" stroke-width="1.5"/>
${marks.join('\n')}
</g>`;
}

/** A self-contained SVG. Tables without rows are left out. */
export function costSvg({ tables, ...report }) {
  const panels = tables.filter(({ rows }) => rows.length > 0).map(panel);
  const height = Math.ceil(panels.length / COLUMNS) * HEIGHT + 24;
  const legend =
    'time of a training step; dashed: in proportion to the last value; ringed: where the curve bends';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH * COLUMNS} ${height}" width="${WIDTH * COLUMNS}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="11" fill="${INK}">
<title>Time of a training step</title>
<desc>${sourcesLine(report)}</desc>
<rect width="100%" height="100%" fill="#ffffff"/>
${panels.join('\n')}
${text(PLOT.left, height - 12, legend, `fill="${QUIET}"`)}
</svg>
`;
}
