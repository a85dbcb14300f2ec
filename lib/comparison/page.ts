/** A comparison as one HTML file, which loads nothing. */

import type { ImageArray } from '../data/types.js';
import { MEASURE_NAMES, MEASURES, type MeasureName } from '../experiments/outcome.js';
import { shownSpread } from '../experiments/table.js';
import { pictureUris } from '../report/contactSheet/pictures.js';
import { colourOf, legend } from '../report/figures/colours.js';
import { type Figure, section } from '../report/figures/figure.js';
import { STYLE } from '../report/figures/style.js';
import { htmlPage } from '../report/htmlPage.js';
import { escapeXml } from '../report/svg/svg.js';
import {
  anglesChart,
  confusionChart,
  curveCharts,
  MOST_CONFUSED,
  scoresChart,
  sizeCharts,
  titleOf,
} from './charts.js';
import type { Comparison, ComparisonRow } from './comparison.js';
import { ON_THE_SEARCH, ON_THE_TEST, pointsToSoftmax } from './comparisonTable.js';
import { scatter } from './scatter.js';
import { SCRIPT } from './script.js';

export interface PageInput {
  readonly comparison: Comparison;
  /** What `hardest` names samples of; without it, or where they are no pictures, these are not shown. */
  readonly images?: ImageArray;
  /** Options of each row, as they were in force. */
  readonly options: readonly Readonly<Record<string, unknown>>[];
  /** That repeats it. */
  readonly command?: string;
}

export async function comparisonPage(input: PageInput, signal?: AbortSignal): Promise<string> {
  const { comparison } = input;
  const { rows, data, seeds } = comparison;
  const title = `${rows.length} heads compared on ${data}`;
  const body = `<h1>${escapeXml(title)}</h1>
<p>${seeds} ${seeds === 1 ? 'seed' : 'seeds'} of each row; mean ± standard deviation.</p>
${table(rows)}
${searchTable(comparison)}
${section('Scores', '', scores(rows))}
${section('Training', 'Of the first seed.', curveCharts(rows), legend(rows.map(titleOf)))}
${section('Embeddings', 'Of test images, by models of the first seed.', embeddings(comparison), legend(comparison.classNames))}
${section('Angles', "Of test images to the mean direction of their own class's embeddings, and to the nearest other.", angles(rows))}
${section('Logits and class weights', 'Of the first seed.', sizeCharts(rows), legend(rows.map(titleOf)))}
${section('Confusion', 'Labels by rows, predictions by columns, of all seeds.', confusions(comparison))}
${await hardest(input, signal)}
${settings(input)}`;
  return htmlPage(title, STYLE, body, SCRIPT);
}

/** Measures that some row has. */
const measuresOf = (rows: readonly ComparisonRow[]) =>
  MEASURE_NAMES.filter((name) => rows.some((row) => row[name] !== undefined));

function table(rows: readonly ComparisonRow[]): string {
  const measures = measuresOf(rows);
  const hasNetwork = rows.some(({ key }) => key.network !== undefined);
  const isTested = rows.some(({ againstSoftmax }) => againstSoftmax !== undefined);
  const [first] = measures;
  const best = first && Math.max(...rows.map((row) => row[first]?.mean ?? Number.NEGATIVE_INFINITY));
  const head = ['head', ...(hasNetwork ? ['network'] : []), ...measures.map((name) => MEASURES[name].title)];
  const line = (row: ComparisonRow, index: number) => {
    const cells = measures.map((name) => {
      const isBest = name === first && row[name]?.mean === best;
      return `<td${isBest ? ' class="best"' : ''}>${measured(row, name)}</td>`;
    });
    return `<tr><td><i style="--colour:${colourOf(index)}"></i>${escapeXml(row.key.head)}</td>${hasNetwork ? `<td>${escapeXml(row.key.network ?? '')}</td>` : ''}${cells.join('')}${isTested ? `<td>${pointsToSoftmax(row)}</td>` : ''}</tr>`;
  };
  return `<div class="wide"><table>
<thead><tr>${[...head, ...(isTested ? ['points to softmax (p, Holm)'] : [])].map((each) => `<th scope="col">${each}</th>`).join('')}</tr></thead>
<tbody>
${rows.map(line).join('\n')}
</tbody>
</table></div>
${isTested ? `<p>${escapeXml(ON_THE_TEST)}</p>` : ''}`;
}

function searchTable({ search }: Comparison): string {
  if (search === undefined || search.length === 0) return '';
  const lines = search.map(
    ({ round, key, steps, accuracy, isKept }) =>
      `<tr><td>${round}</td><td>${escapeXml(Object.values(key).reverse().join(', '))}</td><td>${steps}</td><td>${accuracy === undefined ? 'diverged' : (100 * accuracy).toFixed(2)}</td><td>${isKept ? 'goes on' : ''}</td></tr>`,
  );
  return `<h2>Search</h2>
<p>${escapeXml(ON_THE_SEARCH)}</p>
<details><summary>${search.length} runs</summary><div class="wide"><table>
<thead><tr><th scope="col">round</th><th scope="col">candidate</th><th scope="col">steps</th><th scope="col">held-out accuracy %</th><th scope="col"></th></tr></thead>
<tbody>
${lines.join('\n')}
</tbody>
</table></div></details>`;
}

function measured(row: ComparisonRow, name: MeasureName): string {
  const spread = row[name];
  const said = spread === undefined ? '–' : shownSpread(spread, MEASURES[name].shown);
  return row.diverged && name === measuresOf([row])[0]
    ? `${said} (diverged: seeds ${row.diverged.join(', ')})`
    : said;
}

function scores(rows: readonly ComparisonRow[]): Figure[] {
  return measuresOf(rows)
    .slice(0, 1)
    .map((name) => scoresChart(rows, name));
}

const embeddings = ({ rows, classNames }: Comparison) =>
  rows.flatMap((row, index) =>
    row.analysis === undefined ? [] : [scatter(titleOf(row), index + 1, row.analysis.embeddings, classNames)],
  );

const angles = (rows: readonly ComparisonRow[]) =>
  rows.flatMap((row, index) =>
    row.analysis?.angles === undefined ? [] : [anglesChart(titleOf(row), index + 1, row.analysis.angles)],
  );

const confusions = ({ rows, classNames }: Comparison) =>
  classNames.length > MOST_CONFUSED
    ? []
    : rows.flatMap((row, index) =>
        row.confusion === undefined
          ? []
          : [confusionChart(titleOf(row), index + 1, row.confusion, classNames)],
      );

/** Of each row the images whose wrong class was most probable beside the label. */
async function hardest({ comparison, images }: PageInput, signal?: AbortSignal): Promise<string> {
  const { rows, classNames } = comparison;
  const shown = rows.filter(({ analysis }) => analysis?.hardest !== undefined && analysis.hardest.length > 0);
  if (images === undefined || shown.length === 0 || ![1, 3, 4].includes(images.shape[3])) return '';
  const samples = shown.flatMap(({ analysis }) => analysis!.hardest!.map(({ sample }) => sample));
  const uris = await pictureUris(images, samples, signal);
  const name = (label: number) => escapeXml(classNames[label] ?? String(label));
  const item = ({
    sample,
    label,
    predicted,
    predictedProbability,
  }: NonNullable<NonNullable<ComparisonRow['analysis']>['hardest']>[number]) =>
    `<li><img src="${uris.get(sample)}" alt="test image ${sample}">${name(label)}, taken for ${name(predicted)} (${(100 * predictedProbability).toFixed(0)} %)</li>`;
  return `<h2>Hardest images</h2>
<p>Test images that the first seed's model is wrong about, and most sure.</p>
<div class="figures">
${shown.map((row) => `<figure><figcaption><b>${escapeXml(titleOf(row))}</b></figcaption><ul class="images">${row.analysis!.hardest!.map(item).join('')}</ul></figure>`).join('\n')}
</div>`;
}

function settings({ comparison: { rows }, options, command }: PageInput): string {
  const said = computedBy(rows);
  const lines = rows.map((row, index) => `${titleOf(row)}\n  ${JSON.stringify(options[index])}`);
  return `<h2>How to repeat it</h2>
${command === undefined ? '' : `<pre>${escapeXml(command)}</pre>\n`}<p>${escapeXml(said)}</p>
<pre>${escapeXml(lines.join('\n'))}</pre>`;
}

/** All of them, where a comparison went on somewhere else. */
function computedBy(rows: readonly ComparisonRow[]): string {
  const said = rows.flatMap(({ analysis }) => {
    if (analysis === undefined) return [];
    const { margincore, node, device, description, threads, versions } = analysis.environment;
    return [
      `margincore ${margincore}, Node ${node}, ${device} (${description}, ${versions.backend}), ${threads} threads`,
    ];
  });
  return [...new Set(said)].join('; ');
}
