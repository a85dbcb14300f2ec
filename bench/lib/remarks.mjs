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
    ...skipped.map(({ contender, reason }) => `Skipped: ${contender}: ${reason}`),
    ...failures.map(({ job, reason }) => `Failed: ${job}: ${reason}`),
    ...(disturbed.runs > 0 ? [warning(disturbed)] : []),
    `Contenders skipped: ${skipped.length}. Measurements failed: ${failures.length}.`,
  ];
}

/** A contender says the same at every batch size, so once is enough. */
function notes(tables) {
  const rows = tables.flatMap((table) => table.rows).filter(({ note }) => note);
  return [...new Set(rows.map(({ label, note }) => `${label}: ${note}`))];
}

const warning = ({ limit, runs, of }) =>
  `Before ${runs} of ${of} runs other work took more than ${limit * 100} % of the processors: do not trust the times.`;
