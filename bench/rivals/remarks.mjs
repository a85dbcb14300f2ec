import { sourcesLine } from '../shared/sources.mjs';
import { DISTURBED_ABOVE } from '../shared/undisturbed.mjs';

/** What has to be said below the tables, one line each. */
export function remarks(report) {
  const { tables, machine, versions, settings, skipped, failures, disturbed } = report;
  const { rounds, threads } = settings;
  return [
    sourcesLine(report),
    [
      `${machine.cpu}, ${machine.cores} cores`,
      `${threads} threads, ${rounds} round${rounds === 1 ? '' : 's'}`,
      [`Node ${machine.node.slice(1)}`, ...versions].join(', '),
    ].join('; '),
    targetsMissed(tables),
    ...notes(tables),
    ...skipped.map(({ what, reason }) => `Skipped: ${what}: ${reason}`),
    ...failures.map(({ round, job, reason }) => `Failed in round ${round}: ${job}: ${reason}`),
    ...(disturbed > 0 ? [warning(disturbed)] : []),
    `Contenders or works skipped: ${skipped.length}. Measurements failed: ${failures.length}.`,
  ];
}

function targetsMissed(tables) {
  const judged = tables.flatMap(({ title, rows }) =>
    rows.flatMap(({ target, ratio }) => (target ? [{ title, ratio, ...target }] : [])),
  );
  const missed = judged
    .filter(({ met }) => !met)
    .map(
      ({ title, ratio, atLeast, atMost }) =>
        `${title} (${ratio.median.toFixed(2)}× of ${atLeast ?? atMost}×)`,
    );
  return `Targets missed: ${missed.length} of ${judged.length}${missed.length > 0 ? `: ${missed.join('; ')}` : ''}`;
}

/** A contender says the same at every batch size, so once is enough. */
function notes(tables) {
  const rows = tables.flatMap((table) => table.rows).filter(({ note }) => note);
  return [...new Set(rows.map(({ label, note }) => `${label}: ${note}`))];
}

const warning = (count) =>
  `Disturbed: in ${count} measurements other work took over ${DISTURBED_ABOVE * 100} % of the processors. No ratio is taken from them.`;
