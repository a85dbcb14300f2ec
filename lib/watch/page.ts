/** The page of the runs below a folder: a frame, which stays, and its content, which follows them. */
import { basename } from 'node:path';
import { legend } from '../report/figures/colours.js';
import { section } from '../report/figures/figure.js';
import { STYLE } from '../report/figures/style.js';
import { htmlPage } from '../report/htmlPage.js';
import { escapeXml } from '../report/svg/svg.js';
import { otherTags, tagCurves, trainingCurves } from './curves.js';
import { anglesOfRuns, normsOfRuns } from './distributions.js';
import { runTable } from './runTable.js';
import { SCRIPT } from './script.js';
import type { WatchedRun } from './watchedRun.js';
import { COMPARISON, type WatchedRuns } from './watchedRuns.js';

/** As many as there are colours and dashes. */
const MOST_DRAWN = 30;
/** Figures of a run of its own, and of a tag of another program */
const MOST_FIGURES = 24;

/** @param version Of the content */
export function watchPage(folder: string, content: string, version: string): string {
  const body = `<h1>Runs in ${escapeXml(folder)}</h1>
<p id="connection" role="status"></p>
<main data-version="${escapeXml(version)}">
${content}
</main>`;
  return htmlPage(`${basename(folder)}: runs`, STYLE + OWN_STYLE, body, SCRIPT, "'self'");
}

/** @param now Milliseconds since 1970 */
export function watchContent({ runs, faults, hasComparison }: WatchedRuns, now: number): string {
  const drawn = latest(runs);
  const tags = otherTags(drawn);
  const names = legend(
    drawn.map(({ name }) => name),
    (place) => drawn[place]!.index,
  );
  const parts = {
    runs: runs.length === 0 ? '<p>No runs yet.</p>' : runTable(runs, now),
    notes: [
      ...(hasComparison ? [`<p><a href="${COMPARISON}">The comparison of these runs</a></p>`] : []),
      ...(drawn.length < runs.length
        ? [`<p>Drawn are the ${MOST_DRAWN} runs with the latest events.</p>`]
        : []),
      ...faults.map(({ message, code }) => `<p class="fault">${escapeXml(message)} [${code}]</p>`),
    ].join('\n'),
    training: section('Training', '', trainingCurves(drawn), names),
    angles: section(
      'Angles',
      `Of embeddings to the weight of their own class, and to the nearest other's, after the last epoch.${drawn.length > MOST_FIGURES ? ` Of ${MOST_FIGURES} runs.` : ''}`,
      anglesOfRuns(drawn.slice(0, MOST_FIGURES)),
    ),
    norms: section('Norms', 'Their distributions after the last epoch, in %.', normsOfRuns(drawn), names),
    others: section(
      'Other values',
      tags.length > MOST_FIGURES ? `The first ${MOST_FIGURES} of ${tags.length}.` : '',
      tagCurves(drawn, tags.slice(0, MOST_FIGURES)),
      names,
    ),
  };
  return Object.entries(parts)
    .map(([id, html]) => `<section id="${id}">${html}</section>`)
    .join('\n');
}

function latest(runs: readonly WatchedRun[]): readonly WatchedRun[] {
  if (runs.length <= MOST_DRAWN) return runs;
  const byTime = runs.toSorted((a, b) => (b.wallTime ?? 0) - (a.wallTime ?? 0)).slice(0, MOST_DRAWN);
  return runs.filter((run) => byTime.includes(run));
}

const OWN_STYLE = `
th,td{white-space:nowrap}
a{color:var(--c0)}
#connection:empty{display:none}
.state{color:var(--quiet)}
.state.running{color:var(--c0);font-weight:600}
.state.silent{color:var(--c1)}
.state.failed,.fault{color:var(--c2)}
.fault{overflow-wrap:anywhere}
section>p{margin-top:12px}
section>h2+p{margin-top:0}
`;
