/** One picture of the report: its title, the SVG, and its numbers as CSV. */

import { csv } from '../files/csv.js';
import { escapeXml } from '../report/svg/svg.js';

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

export const figureHtml = ({ id, title, svg, table, isWide = false }: Figure) =>
  `<figure id="${id}"${isWide ? ' class="whole"' : ''}>
<figcaption><b>${escapeXml(title)}</b> <button type="button" data-save="svg">SVG</button> <button type="button" data-save="csv">CSV</button></figcaption>
${svg}
<script type="text/csv">
${csv(table).replaceAll('</', '<\\/')}</script>
</figure>`;
