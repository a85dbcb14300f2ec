import { runJob } from './child.mjs';
import { foreignLoad } from './machine.mjs';
import { jobName, planRound } from './plan.mjs';

/**
 * Runs all jobs of all rounds. A job that fails is not tried in later rounds: `failures` says why.
 * @param commands the command of each contender that can be run
 */
export async function runRounds(commands, options, log) {
  const plan = planRound({ ...options, only: Object.keys(commands) });
  const measurements = [];
  const loads = [];
  const failures = new Map();
  const versions = {};
  for (let round = 1; round <= options.rounds; round++) {
    for (const job of plan) {
      const name = `${jobName(job)}, ${job.measure}, batch ${job.batch}`;
      if (failures.has(name)) continue;
      loads.push(await foreignLoad());
      try {
        const events = await runJob(commands[job.contender], job);
        const values = measured(job, events);
        measurements.push(...values.map((value) => ({ round, ...identity(job), ...value })));
        versions[job.contender] = events.version;
        log(
          `round ${round}: ${name}: ${values.map(({ value, table }) => `${table} ${value.toPrecision(4)}`).join(', ')}`,
        );
      } catch (error) {
        failures.set(name, error.message);
        log(`round ${round}: ${name}: FAILED: ${error.message}`);
      }
    }
  }
  return {
    measurements,
    loads,
    versions,
    failures: Array.from(failures, ([job, reason]) => ({ job, reason })),
  };
}

const identity = ({ contender, variant }) => ({ contender, ...(variant && { variant }) });

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
  return [
    { table: 'firstStep', value: firstStep.secondsFromStart },
    { table: 'memory', value: result.peakBytes / 2 ** 20 },
  ];
}
