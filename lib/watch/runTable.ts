/** What each run has come to, as a table. */
import { colourOf } from '../report/figures/colours.js';
import { count, percent } from '../report/format.js';
import { escapeXml } from '../report/svg/svg.js';
import { lastEpoch } from './epochs.js';
import { type RunState, stateOf } from './state.js';
import type { WatchedRun } from './watchedRun.js';

interface Column {
  readonly title: string;
  /** HTML */
  cell(run: WatchedRun, now: number): string;
}

/** Of the last epoch; before one, of the last step. */
const ofEpoch = (run: WatchedRun, name: string) => run.last(`epoch/${name}`) ?? run.last(`step/${name}`);

const shown = (value: number | undefined, text: (value: number) => string) =>
  value === undefined ? '–' : text(value);

const COLUMNS: readonly Column[] = [
  {
    title: 'run',
    cell: ({ name, index }) => `<i style="--colour:${colourOf(index)}"></i>${escapeXml(name)}`,
  },
  { title: 'state', cell: stateCell },
  { title: 'step', cell: ({ step }) => shown(step, count) },
  { title: 'epoch', cell: (run) => shown(lastEpoch(run), count) },
  {
    title: 'loss',
    cell: (run) => shown(ofEpoch(run, 'loss'), (value) => String(Number(value.toPrecision(4)))),
  },
  { title: 'accuracy', cell: (run) => shown(ofEpoch(run, 'accuracy'), percent) },
  { title: 'test accuracy', cell: (run) => shown(run.last('test/accuracy'), percent) },
  { title: 'images/s', cell: (run) => shown(run.last('epoch/imagesPerSecond'), count) },
  {
    title: 'last event',
    cell: ({ wallTime }) => shown(wallTime, (seconds) => `${sinceThen(seconds)} ago`),
  },
];

/** @param now Milliseconds since 1970 */
export function runTable(runs: readonly WatchedRun[], now: number): string {
  const line = (run: WatchedRun) =>
    `<tr>${COLUMNS.map(({ cell }) => `<td>${cell(run, now)}</td>`).join('')}</tr>`;
  return `<div class="wide"><table>
<thead><tr>${COLUMNS.map(({ title }) => `<th scope="col">${title}</th>`).join('')}</tr></thead>
<tbody>
${runs.map(line).join('\n')}
</tbody>
</table></div>`;
}

function stateCell(run: WatchedRun, now: number): string {
  const state = stateOf(run, now);
  return `<span class="state ${state}">${WORDS[state]}${state === 'silent' ? sinceThen(run.wallTime!) : ''}</span>`;
}

const WORDS: Readonly<Record<RunState, string>> = {
  running: 'running',
  ended: 'ended',
  failed: 'failed',
  silent: 'silent for ',
};

/** The page's script makes of it how long that is ago. @param seconds Since 1970 */
function sinceThen(seconds: number): string {
  const date = new Date(1000 * seconds);
  // Of a file that has whatever it likes.
  if (Number.isNaN(date.getTime())) return 'a time that is none';
  const time = date.toISOString();
  return `<time data-since datetime="${time}">${time}</time>`;
}
