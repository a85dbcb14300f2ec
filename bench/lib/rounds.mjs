import { runJob } from './child.mjs';
import { DISTURBED_ABOVE, jobName, planRound } from './plan.mjs';

/** A busy machine can make a run exceed its limit, so one failure does not end a contender's part. */
const FAILURES_ALLOWED = 1;

/** How often a run is tried while others use the processors: no more, for it may take minutes then. */
const TRIES = 2;

/**
 * Runs all jobs of all rounds. `failures` lists every run that failed, with the reason.
 * @param commands the command of each contender that can be run
 */
export async function runRounds(commands, options, log) {
  const plan = planRound({ ...options, only: Object.keys(commands) });
  const measurements = [];
  const failures = [];
  const versions = {};
  for (let round = 1; round <= options.rounds; round++) {
    for (const job of plan) {
      const name = `${jobName(job)}, ${job.measure}, batch ${job.batch}`;
      if (failures.filter((failure) => failure.job === name).length > FAILURES_ALLOWED) continue;
      try {
        const events = await runUndisturbed(commands[job.contender], job, options.quick ? 1 : TRIES);
        const values = measured(job, events);
        const common = { round, ...identity(job), foreignLoad: events.foreignLoad };
        measurements.push(...values.map((value) => ({ ...common, ...value })));
        versions[job.contender] = events.version;
        const warning = events.foreignLoad > DISTURBED_ABOVE ? ' (disturbed by other work)' : '';
        log(`round ${round}: ${name}: ${values.map(shown).join(', ')}${warning}`);
      } catch (error) {
        failures.push({ round, job: name, reason: error.message });
        log(`round ${round}: ${name}: FAILED: ${error.message}`);
      }
    }
  }
  return { measurements, versions, failures };
}

/** The first undisturbed one of a few tries, else the least disturbed. */
async function runUndisturbed(command, job, tries) {
  let best;
  for (let attempt = 0; attempt < tries; attempt++) {
    const events = await runJob(command, job);
    if (!best || events.foreignLoad < best.foreignLoad) best = events;
    if (best.foreignLoad <= DISTURBED_ABOVE) break;
  }
  return best;
}

const shown = ({ table, value }) => `${table} ${value.toPrecision(4)}`;
const identity = ({ contender, variant, tuned }) => ({ contender, variant, tuned });

/** What one run of a job says: a value for one table, or for two. */
function measured(job, events) {
  const { result, 'first-step': firstStep } = events;
  if (!Number.isFinite(result.loss)) throw new Error(`its loss became ${result.loss}`);
  const { note, adam } = result;
  if (job.measure === 'throughput') {
    return [
      { table: `batch${job.batch}`, value: result.images / result.seconds, batch: job.batch, note, adam },
    ];
  }
  if (job.measure === 'head') return [{ table: 'head', value: result.seconds }];
  return [
    { table: 'firstStep', value: firstStep.secondsFromStart },
    { table: 'memory', value: result.peakBytes / 2 ** 20 },
  ];
}
