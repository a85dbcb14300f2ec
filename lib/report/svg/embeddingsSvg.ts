/**
 * Draws embeddings of two dimensions as small multiples: a scatter per head, every class in its colour. Directions,
 * such as those of the class weights, are rays from the origin, so that the angles between classes are seen.
 */
import { MarginCoreError } from '../../base/errors.js';
import { classColour, colourRound } from './palette.js';
import { escapeXml, round, text } from './svg.js';

export interface EmbeddingsPanel {
  readonly title: string;
  readonly subtitle: string;
  /** (N, 2), row-major */
  readonly points: Float32Array;
  /** (N): the class of each point */
  readonly labels: Int32Array;
  /** (C, 2), of any length; a row of zeros is not drawn. */
  readonly directions?: Float32Array;
}

export interface EmbeddingsSvgInput {
  readonly panels: readonly EmbeddingsPanel[];
  readonly classNames: readonly string[];
  readonly title: string;
  /** A line below the panels, such as what the rays are. */
  readonly caption?: string;
}

const WIDTH = 900;
const MARGIN = 28;
const COLUMNS = 4;
const GAP = 16;
const SIDE = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS;
/** Above a panel's square, for its title and subtitle. */
const HEAD = 40;
const ROW = HEAD + SIDE + GAP + 4;
/** Room around the points, as a part of their extent. */
const PADDING = 0.06;
const LEGEND = { top: 78, line: 22, mark: 18, space: 16, character: 6.6 } as const;

const INK = '#1f2937';
const QUIET = '#6b7280';
const GRID = '#e5e7eb';

/** Classes beyond the ten colours begin again with the next shape. */
const SHAPES = ['round', 'square'] as const;

/** The square part of the plane that a panel shows. */
interface View {
  readonly left: number;
  readonly top: number;
  readonly size: number;
}

/** A self-contained SVG with a background of its own. Throws INVALID_DATA for panels that cannot be drawn. */
export function embeddingsSvg({ panels, classNames, title, caption }: EmbeddingsSvgInput): string {
  if (panels.length === 0) throw invalidData('there are no panels to draw');
  for (const panel of panels) checkPanel(panel, classNames.length);
  const { marks, bottom } = legend(classNames);
  const top = bottom + 20;
  const panelsBottom = top + Math.ceil(panels.length / COLUMNS) * ROW;
  const height = Math.round(panelsBottom + (caption === undefined ? 8 : 26));
  const drawn = panels.map((panel, index) => {
    const x = MARGIN + (index % COLUMNS) * (SIDE + GAP);
    return drawPanel(panel, x, top + Math.floor(index / COLUMNS) * ROW);
  });

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title desc" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif" font-size="12" fill="${INK}">
<title id="title">${escapeXml(title)}</title>
<desc id="desc">${escapeXml(describe(panels, classNames))}</desc>
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="12" fill="#ffffff" stroke="#d1d5db"/>
${text(MARGIN, 46, title, 'font-size="19" font-weight="600"')}
${marks}
${drawn.join('\n')}${caption === undefined ? '' : `\n${text(MARGIN, panelsBottom + 8, caption, `fill="${QUIET}"`)}`}
</svg>
`;
}

function checkPanel({ title, points, labels, directions }: EmbeddingsPanel, numClasses: number): void {
  const refuse = (what: string) => invalidData(`panel ${title}: ${what}`);
  if (labels.length === 0) throw refuse('there are no points to draw');
  if (points.length !== 2 * labels.length) {
    throw refuse(`expected ${labels.length} points of 2 numbers, found ${points.length} numbers`);
  }
  if (!points.every(Number.isFinite)) throw refuse('expected finite points');
  if (labels.some((label) => label < 0 || label >= numClasses)) {
    throw refuse(`expected labels in 0…${numClasses - 1}`);
  }
  if (directions && (directions.length !== 2 * numClasses || !directions.every(Number.isFinite))) {
    throw refuse(`expected ${numClasses} finite directions of 2 numbers`);
  }
}

function describe(panels: readonly EmbeddingsPanel[], classNames: readonly string[]): string {
  const each = panels.map(({ title, subtitle }) => `${title} (${subtitle})`);
  return `Scatter plots of two-dimensional embeddings of ${classNames.length} classes: ${each.join('; ')}.`;
}

/** As many names on a line as fit, by the usual width of a character. */
function legend(classNames: readonly string[]): { marks: string; bottom: number } {
  let x = MARGIN;
  let y: number = LEGEND.top;
  const entries = classNames.map((name, label) => {
    const width = LEGEND.mark + LEGEND.character * name.length;
    if (x > MARGIN && x + width > WIDTH - MARGIN) {
      x = MARGIN;
      y += LEGEND.line;
    }
    const entry = `${dots(label, `M${round(x + 6)} ${y - 4}h0`, 11)}\n${text(round(x + LEGEND.mark), y, name)}`;
    x += width + LEGEND.space;
    return entry;
  });
  return { marks: entries.join('\n'), bottom: y };
}

function drawPanel(panel: EmbeddingsPanel, x: number, y: number): string {
  const view = viewOf(panel.points);
  const left = round(-view.left * (SIDE / view.size));
  const top = round(view.top * (SIDE / view.size));
  return `<g transform="translate(${round(x)} ${round(y)})">
${text(0, 15, panel.title, 'font-size="14" font-weight="600"')}
${text(0, 32, panel.subtitle, `fill="${QUIET}"`)}
<g transform="translate(0 ${HEAD})" fill="none">
<rect width="${SIDE}" height="${SIDE}" rx="6" fill="#fafafa" stroke="${GRID}"/>
<path d="M0 ${top}H${SIDE}M${left} 0V${SIDE}" stroke="${GRID}"/>
${[...rays(panel, view), ...scatter(panel, view)].join('\n')}
</g>
</g>`;
}

/** The smallest square around all points and the origin, with the points' middle in its own. */
function viewOf(points: Float32Array): View {
  const range = (axis: number) => {
    let [min, max] = [0, 0];
    for (let index = axis; index < points.length; index += 2) {
      min = Math.min(min, points[index]!);
      max = Math.max(max, points[index]!);
    }
    return { min, max };
  };
  const [x, y] = [range(0), range(1)];
  const size = (Math.max(x.max - x.min, y.max - y.min) || 1) * (1 + 2 * PADDING);
  return { left: (x.min + x.max - size) / 2, top: (y.min + y.max + size) / 2, size };
}

/** From the origin to the panel's edge. */
function rays({ directions = new Float32Array() }: EmbeddingsPanel, view: View): string[] {
  const start = place(0, 0, view);
  const reach = (component: number, low: number) =>
    component === 0 ? Infinity : (component > 0 ? low + view.size : low) / component;
  const lines: string[] = [];
  for (let label = 0; label < directions.length / 2; label++) {
    const [dx, dy] = [directions[2 * label]!, directions[2 * label + 1]!];
    if (dx === 0 && dy === 0) continue;
    const length = Math.min(reach(dx, view.left), reach(dy, view.top - view.size));
    const end = place(length * dx, length * dy, view);
    lines.push(
      `<path d="M${start}L${end}" stroke="${classColour(label)}" stroke-width="1.5" stroke-opacity="0.6"/>`,
    );
  }
  return lines;
}

/** One path per class, whose segments of no length are drawn as dots by their caps. */
function scatter({ points, labels }: EmbeddingsPanel, view: View): string[] {
  const places = new Map<number, Set<string>>();
  for (const [index, label] of labels.entries()) {
    if (!places.has(label)) places.set(label, new Set());
    places.get(label)!.add(`M${place(points[2 * index]!, points[2 * index + 1]!, view)}h0`);
  }
  const classes = [...places].sort(([a], [b]) => a - b);
  return classes.map(([label, marks]) => dots(label, [...marks].join(''), 3.6));
}

function dots(label: number, path: string, size: number): string {
  const shape = SHAPES[colourRound(label) % SHAPES.length]!;
  return `<path d="${path}" stroke="${classColour(label)}" stroke-width="${size}" stroke-linecap="${shape}" stroke-opacity="0.85"/>`;
}

/** A point's place in its panel; a tenth of a pixel is fine enough for a dot. */
function place(x: number, y: number, { left, top, size }: View): string {
  const pixels = (distance: number) => Math.round((distance / size) * SIDE * 10) / 10;
  return `${pixels(x - left)} ${pixels(top - y)}`;
}

function invalidData(message: string): MarginCoreError {
  return new MarginCoreError('INVALID_DATA', `embeddingsSvg: ${message}`);
}
