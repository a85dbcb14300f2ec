/** A data set as a page: its classes with some of their images. */
import { decodePictures } from '../data/decode.js';
import type { DataInspection } from '../data/inspect.js';
import type { ImageArray } from '../data/types.js';
import { STYLE } from './contactSheet/pageParts.js';
import { pictureUris } from './contactSheet/pictures.js';
import { count } from './format.js';
import { escapeXml } from './svg/svg.js';

/** Rows of the tables of sizes, duplicates and broken pictures. */
const ROWS = 50;

export interface ShownClass {
  readonly label: number;
  /** Data URIs */
  readonly pictures: readonly string[];
}

/** Of files: as they are, within 128×128. */
export async function urisOfFiles(files: readonly string[], signal?: AbortSignal): Promise<string[]> {
  const images = await decodePictures(files, [128, 128, 3], { resize: 'contain', background: 0 }, signal);
  return urisOf(images, Array.from(files.keys()), signal);
}

export async function urisOf(
  images: ImageArray,
  samples: readonly number[],
  signal?: AbortSignal,
): Promise<string[]> {
  const uris = await pictureUris(images, samples, signal);
  return samples.map((sample) => uris.get(sample)!);
}

/** A page that needs no other file. */
export function dataSheetPage(inspection: DataInspection, shown: readonly ShownClass[]): string {
  const { name, images, classes, sizes, duplicates, broken, notes } = inspection;
  const title = escapeXml(name);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${title}</h1>
<p>${count(images.train)} training and ${count(images.test)} test images of ${count(classes.length)} classes.</p>
${notes.map(({ message }) => `<p>${escapeXml(message)}</p>`).join('\n')}
${table(
  'Sizes',
  ['height × width', 'images'],
  sizes.map((each) => [`${each.height} × ${each.width}`, count(each.images)]),
)}
${table(
  'Broken pictures',
  ['why'],
  broken.map(({ reason }) => [reason]),
)}
${table(
  'The same content',
  ['images'],
  duplicates.map((same) => [same.join(', ')]),
)}
</header>
<main>
${shown.map((each) => article(each, inspection)).join('\n')}
</main>
</body>
</html>
`;
}

function table(caption: string, heads: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const more = rows.length > ROWS ? `, ${ROWS} of ${count(rows.length)}` : '';
  return `<table>
<caption>${caption}${more}</caption>
<thead><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join('')}</tr></thead>
<tbody>
${rows
  .slice(0, ROWS)
  .map((row) => `<tr>${row.map((cell) => `<td>${escapeXml(cell)}</td>`).join('')}</tr>`)
  .join('\n')}
</tbody>
</table>`;
}

function article({ label, pictures }: ShownClass, { classes }: DataInspection): string {
  const { name, train, test } = classes[label]!;
  const title = escapeXml(name);
  const items = pictures.map((uri) => `<li><img src="${uri}" alt="${title}"></li>`).join('\n');
  return `<article>
<dl>
<dt>class</dt><dd><b class="label">${title}</b></dd>
<dt>images</dt><dd>${count(train)} training, ${count(test)} test</dd>
</dl>
<ul aria-label="Images of ${title}">
${items}
</ul>
</article>`;
}
