import { DISTURBED_ABOVE, runUndisturbed } from '../shared/undisturbed.mjs';
import { jobName, planRound } from './plan.mjs';
import { SameWork } from './sameWork.mjs';

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
  const sameWork = new SameWork();
  for (let round = 1; round <= options.rounds; round++) {
    for (const job of plan) {
      const name = `${jobName(job)}, ${job.work}, ${job.measure}, batch ${job.batch}`;
      if (failures.filter((failure) => failure.job === name).length > FAILURES_ALLOWED) continue;
      try {
        const events = await runUndisturbed(commands[job.contender], job, options.quick ? 1 : TRIES);
        sameWork.check(job, events.result);
        const values = measured(job, events);
        const common = { round, ...identity(job), foreignLoad: events.foreignLoad };
        measurements.push(...values.map((value) => ({ ...common, ...value })));
        versions[job.contender] = events.version;
        const warning = events.foreignLoad > DISTURBED_ABOVE ? ' (disturbed by other work)' : '';
        const loss = `loss ${events.result.loss.toPrecision(3)}`;
        log(`round ${round}: ${name}: ${values.map(shown).join(', ')}, ${loss}${warning}`);
      } catch (error) {
        failures.push({ round, job: name, reason: error.message });
        log(`round ${round}: ${name}: FAILED: ${error.message}`);
      }
    }
  }
  return { measurements, versions, failures };
}

const shown = ({ table, value }) => `${table} ${value.toPrecision(4)}`;
const identity = ({ contender, variant, tuned }) => ({ contender, variant, tuned });

const VALUES = {
  rate: ({ result }) => result.images / result.seconds,
  seconds: ({ result }) => result.seconds,
  firstStep: (events) => events['first-step'].secondsFromStart,
  memory: ({ result }) => result.peakBytes / 2 ** 20,
};

/** What one run of a job says: a value for one table, or for two. */
function measured({ measure, batch, answers }, events) {
  const { note, adam, loss, parameters } = events.result;
  const common = { ...(measure === 'throughput' && { batch }), note, adam, loss, parameters };
  return answers.map(({ table, value }) => ({ table, value: VALUES[value](events), ...common }));
}
