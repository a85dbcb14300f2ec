/** One picture of a page: its title, the SVG, and its numbers as CSV. */

import { csv } from '../../files/csv.js';
import { escapeXml } from '../svg/svg.js';

export interface Figure {
  /** In kebab-case: names its files. */
  readonly id: string;
  readonly title: string;
  readonly svg: string;
  /** The first row has the titles. */
  readonly table: readonly (readonly (string | number)[])[];
  /** Takes all of the page's width. */
  readonly isWide?: boolean;
}

const figureHtml = ({ id, title, svg, table, isWide = false }: Figure) =>
  `<figure id="${id}"${isWide ? ' class="whole"' : ''}>
<figcaption><b>${escapeXml(title)}</b> <button type="button" data-save="svg">SVG</button> <button type="button" data-save="csv">CSV</button></figcaption>
${svg}
<script type="text/csv">
${csv(table).replaceAll('</', '<\\/')}</script>
</figure>`;

/** Figures under a title; nothing where there are none. @param about A sentence @param above HTML */
export function section(title: string, about: string, figures: readonly Figure[], above = ''): string {
  if (figures.length === 0) return '';
  return `<h2>${title}</h2>
${about && `<p>${about}</p>\n`}${above}<div class="figures">
${figures.map(figureHtml).join('\n')}
</div>`;
}
