/** A chart as a picture of its own: a white card that needs no page around it. */
import type { EChartsOption } from 'echarts';
import { chartSvg } from '../charts/chart.js';
import { standaloneSvg } from '../charts/schemes.js';
import { escapeXml, text } from './svg.js';

export interface PictureText {
  readonly title: string;
  readonly subtitle?: string;
  /** What a screen reader says of it */
  readonly description: string;
}

const [WIDTH, HEIGHT] = [800, 450];

/** Where a chart is: below the title. */
export const PICTURE_GRID = { left: 62, right: 30, top: 130, bottom: 62 } as const;

export function pictureSvg({ title, subtitle, description }: PictureText, chart: EChartsOption): string {
  const drawn = chartSvg(chart, { id: 'chart', width: WIDTH, height: HEIGHT, label: description });
  const inside = drawn.slice(drawn.indexOf('>') + 1, drawn.lastIndexOf('</svg>'));
  const heading = (y: number) => text(PICTURE_GRID.left, y, title, 'font-size="19" font-weight="600"');
  return standaloneSvg(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title desc" font-size="13" fill="var(--ink)">
<title id="title">${escapeXml(title)}</title>
<desc id="desc">${escapeXml(description)}</desc>
${inside}
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${HEIGHT - 1}" rx="12" fill="none" stroke="var(--line)"/>
${subtitle === undefined ? heading(52) : `${heading(40)}\n${text(PICTURE_GRID.left, 63, subtitle, 'fill="var(--quiet)"')}`}
</svg>
`);
}
