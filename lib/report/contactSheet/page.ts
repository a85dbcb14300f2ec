/** The contact sheet as HTML: one file, which loads nothing. */

import type { ConfusedPair } from '../../metrics/mistakes.js';
import { count, percent } from '../format.js';
import { htmlPage } from '../htmlPage.js';
import { escapeXml } from '../svg/svg.js';
import type { Neighbour } from './neighbours.js';
import { SCRIPT, STYLE } from './pageParts.js';
import type { ContactSheet, ShownMistake } from './sheet.js';

export interface PageInput extends Omit<ContactSheet, 'html'> {
  readonly title: string;
  readonly classNames: readonly string[];
  /** Of the mistakes, by their numbers */
  readonly pictures: ReadonlyMap<number, string>;
  /** Of their neighbours, by the numbers of those */
  readonly neighbourPictures: ReadonlyMap<number, string>;
}

/** Rows of the table of confused pairs */
const PAIRS = 10;

export function contactSheetPage(input: PageInput): string {
  const { title, mistakes } = input;
  const body = `<header>
<h1>${escapeXml(title)}</h1>
<p>${summary(input)}</p>
${pairs(input)}
</header>
${mistakes.length === 0 ? '' : controls(input)}
<main>
${mistakes.map((mistake, place) => article(mistake, place, input)).join('\n')}
</main>`;
  return htmlPage(title, STYLE, body, SCRIPT);
}

function summary({ images, accuracy, mistakeCount, mistakes }: PageInput): string {
  const right = `${percent(accuracy)} of ${count(images)} images are right`;
  if (mistakeCount === 0) return `${right}: there is no mistake.`;
  const shown =
    mistakes.length === mistakeCount
      ? `all mistakes, ${count(mistakeCount)},`
      : `the ${count(mistakes.length)} most confident of ${count(mistakeCount)} mistakes`;
  const neighbours = mistakes.some((mistake) => mistake.neighbours.length > 0)
    ? ' Below each are the samples with the nearest embeddings, with the cosine: where they have the predicted class, the label may be wrong.'
    : '';
  return `${right}. Here are ${shown}, by how much more probable the wrong class is than the label.${neighbours}`;
}

function pairs({ confusedPairs, classNames }: PageInput): string {
  if (confusedPairs.length === 0) return '';
  const row = ({ label, predicted, count: times }: ConfusedPair) =>
    `<tr><td>${name(classNames, label)}</td><td>${name(classNames, predicted)}</td><td>${count(times)}</td></tr>`;
  return `<table>
<caption>Most confused classes</caption>
<thead><tr><th scope="col">label</th><th scope="col">predicted</th><th scope="col">images</th></tr></thead>
<tbody>
${confusedPairs.slice(0, PAIRS).map(row).join('\n')}
</tbody>
</table>`;
}

function controls({ mistakes, classNames }: PageInput): string {
  const options = (of: 'label' | 'predicted') => {
    const classes = [...new Set(mistakes.map((mistake) => mistake[of]))].sort((a, b) => a - b);
    return [
      '<option value="">any</option>',
      ...classes.map((value) => `<option value="${value}">${name(classNames, value)}</option>`),
    ].join('');
  };
  const hasNeighbours = mistakes.some(({ neighbours }) => neighbours.length > 0);
  return `<form aria-label="Filter and order">
<label>Label <select name="label">${options('label')}</select></label>
<label>Predicted <select name="predicted">${options('predicted')}</select></label>
<label>First <select name="order"><option value="place">the most confident</option>${hasNeighbours ? '<option value="agreeing">fewest neighbours of its label</option>' : ''}<option value="sample">the lowest number</option></select></label>
<output></output>
</form>`;
}

function article(
  mistake: ShownMistake,
  place: number,
  { classNames, pictures, neighbourPictures }: PageInput,
) {
  const { sample, label, predicted, neighbours } = mistake;
  const agreeing = neighbours.filter((neighbour) => neighbour.label === label).length;
  const alt = `Sample ${sample}, labelled ${classNames[label]!}`;
  return `<article data-place="${place}" data-sample="${sample}" data-label="${label}" data-predicted="${predicted}" data-agreeing="${agreeing}">
<div class="mistake">
<img src="${pictures.get(sample)!}" alt="${escapeXml(alt)}">
<dl>
<dt>sample</dt><dd>${sample}</dd>
<dt>label</dt><dd><b class="label">${name(classNames, label)}</b> ${score(mistake.labelProbability, mistake.labelCosine)}</dd>
<dt>predicted</dt><dd><b class="predicted">${name(classNames, predicted)}</b> ${score(mistake.predictedProbability, mistake.predictedCosine)}</dd>
${neighbours.length === 0 ? '' : `<dt>neighbours</dt><dd>${agreeing} of ${neighbours.length} have its label</dd>\n`}</dl>
</div>
${neighbours.length === 0 ? '' : `<ul aria-label="Nearest neighbours">\n${neighbours.map((each) => neighbourItem(each, mistake, classNames, neighbourPictures)).join('\n')}\n</ul>`}
</article>`;
}

function neighbourItem(
  { sample, label, cosine }: Neighbour,
  mistake: ShownMistake,
  classNames: readonly string[],
  pictures: ReadonlyMap<number, string>,
): string {
  const kind = label === mistake.label ? 'label' : label === mistake.predicted ? 'predicted' : 'other';
  const text = `Sample ${sample}, labelled ${classNames[label]!}, cosine ${cosine.toFixed(3)}`;
  return `<li class="${kind}" title="${escapeXml(text)}"><img src="${pictures.get(sample)!}" alt="${escapeXml(text)}"><span>${name(classNames, label)}</span><small>${cosine.toFixed(2)}</small></li>`;
}

function score(probability: number, cosine: number | undefined): string {
  return `${percent(probability)}${cosine === undefined ? '' : `, cosine ${cosine.toFixed(2)}`}`;
}

function name(classNames: readonly string[], label: number): string {
  return escapeXml(classNames[label]!);
}
