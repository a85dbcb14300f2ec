import { DISTURBED_ABOVE } from '../shared/undisturbed.mjs';

/** What has to be said below the tables, one line each. */
export function remarks({ tables, machine, versions, settings, skipped, failures, disturbed }) {
  const { rounds, threads } = settings;
  return [
    [
      `${machine.cpu}, ${machine.cores} cores`,
      `${threads} threads, ${rounds} round${rounds === 1 ? '' : 's'}`,
      [`Node ${machine.node.slice(1)}`, ...versions].join(', '),
    ].join('; '),
    ...notes(tables),
    ...skipped.map(({ what, reason }) => `Skipped: ${what}: ${reason}`),
    ...failures.map(({ round, job, reason }) => `Failed in round ${round}: ${job}: ${reason}`),
    ...(disturbed > 0 ? [warning(disturbed)] : []),
    `Contenders or works skipped: ${skipped.length}. Measurements failed: ${failures.length}.`,
  ];
}

/** A contender says the same at every batch size, so once is enough. */
function notes(tables) {
  const rows = tables.flatMap((table) => table.rows).filter(({ note }) => note);
  return [...new Set(rows.map(({ label, note }) => `${label}: ${note}`))];
}

const warning = (count) =>
  `Disturbed: in ${count} measurements other work took over ${DISTURBED_ABOVE * 100} % of the processors. No ratio is taken from them.`;
