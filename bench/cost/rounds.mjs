import { freeBytes } from '../shared/machine.mjs';
import { DISTURBED_ABOVE, runUndisturbed } from '../shared/undisturbed.mjs';
import { describeVersions } from '../shared/versions.mjs';

/** Of the free memory, that a row may need. */
const MEMORY_SHARE = 0.9;

/**
 * Measures all rows, round by round, so that a slow phase of the machine does not fall on one row alone.
 * @param command what runs margincore's jobs
 * @returns `measured`: of each table, by id, the values with their seconds per step, one per round
 */
export async function runCosts(tables, command, { rounds, quick }, log) {
  const rows = tables.flatMap((table) => table.values.map((value) => newRow(table, value)));
  const skipped = [];
  const failures = [];
  let versions = [];
  for (let round = 1; round <= rounds; round++) {
    for (const row of rows.filter(({ gaveUp }) => !gaveUp)) {
      const reason = tooLarge(row);
      if (reason) {
        row.gaveUp = true;
        skipped.push({ what: row.name, reason });
        log(`skipped: ${row.name}: ${reason}`);
        continue;
      }
      try {
        const { result, version, foreignLoad } = await runUndisturbed(command, row.job, quick ? 1 : 2);
        if (!Number.isFinite(result.loss)) throw new Error(`its loss became ${result.loss}`);
        const measurement = {
          seconds: result.seconds / (result.steps ?? 1), // of the head alone a step's time is given
          disturbed: foreignLoad > DISTURBED_ABOVE,
        };
        row.measurements.push(measurement);
        versions = describeVersions([version]);
        log(`round ${round}: ${row.name}: ${shown(measurement)}`);
      } catch (error) {
        row.gaveUp = true;
        failures.push({ what: row.name, reason: error.message });
        log(`round ${round}: ${row.name}: FAILED: ${error.message}`);
      }
    }
  }
  const measured = Object.fromEntries(
    tables.map((table) => [
      table.id,
      rows.filter((row) => row.table === table && row.measurements.length > 0).map(undisturbed),
    ]),
  );
  return { measured, versions, skipped, failures };
}

/** `gaveUp`: it failed, or does not fit. */
const newRow = (table, value) => ({
  table,
  value,
  name: `${table.id} ${value}`,
  job: table.job(value),
  measurements: [],
  gaveUp: false,
});

function tooLarge({ table, value }) {
  const needed = table.bytes?.(value) ?? 0;
  const free = freeBytes();
  if (needed <= MEMORY_SHARE * free) return undefined;
  const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  return `it needs ${gib(needed)} of memory, of which ${gib(free)} are free`;
}

const shown = ({ seconds, disturbed }) =>
  `${seconds.toPrecision(4)} s a step${disturbed ? ' (disturbed by other work)' : ''}`;

/** The undisturbed rounds of a row count, where there are any. */
function undisturbed({ value, measurements }) {
  const kept = measurements.filter(({ disturbed }) => !disturbed);
  const counted = kept.length > 0 ? kept : measurements;
  return { value, seconds: counted.map(({ seconds }) => seconds), disturbed: kept.length === 0 };
}
