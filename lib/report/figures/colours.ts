/** Rows of a table, and the lines of charts that are theirs, have the same colour. */
import { escapeXml } from '../svg/svg.js';

const COLOURS = 10;

export const colourOf = (row: number) => `var(--c${row % COLOURS})`;
/** Rows beyond the colours. */
export const dashOf = (row: number) =>
  (['solid', 'dashed', 'dotted'] as const)[Math.floor(row / COLOURS) % 3]!;

/** Names with their colours. @param rowOf Of the name at a place */
export const legend = (names: readonly string[], rowOf = (place: number) => place) =>
  names.length > MOST_NAMED
    ? ''
    : `<ul class="legend">${names.map((name, place) => `<li><i style="--colour:${colourOf(rowOf(place))}"></i>${escapeXml(name)}</li>`).join('')}</ul>`;

/** Colours come again after ten. */
const MOST_NAMED = 20;
