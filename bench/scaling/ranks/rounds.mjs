import { fileURLToPath } from 'node:url';
import { SameWork } from '../../rivals/sameWork.mjs';
import { freeBytes } from '../../shared/machine.mjs';
import { DISTURBED_ABOVE, runUndisturbed } from '../../shared/undisturbed.mjs';
import { describeVersions } from '../../shared/versions.mjs';
import { headBytes, layoutName } from './plan.mjs';

const TOGETHER = [process.execPath, fileURLToPath(new URL('together.mjs', import.meta.url))];

/** A busy machine can make a run exceed its limit, so one failure does not end a row. */
const FAILURES_ALLOWED = 1;

/** Of the free memory, that a row may need. */
const MEMORY_SHARE = 0.9;

/**
 * Measures all rows, round by round, every other round backwards: of two neighbours neither is always the first.
 * @param starters How the processes of each kind of row are started, or why they cannot
 */
export async function runRounds(plan, starters, { rounds, quick }, log) {
  const measurements = [];
  const skipped = [];
  const failures = [];
  const versions = {};
  const sameWork = new SameWork();
  for (let round = 1; round <= rounds; round++) {
    for (const job of round % 2 === 1 ? plan : plan.toReversed()) {
      const name = `${job.work}: ${layoutName(job)}`;
      const isGivenUp =
        skipped.some(({ what }) => what === name) ||
        failures.filter(({ what }) => what === name).length > FAILURES_ALLOWED;
      if (isGivenUp) continue;
      const reason = starters[job.starter].reason ?? tooLarge(job);
      if (reason) {
        skipped.push({ what: name, reason });
        log(`skipped: ${name}: ${reason}`);
        continue;
      }
      try {
        const started = { ...job, start: starters[job.starter].start(job.ranks) };
        const events = await runUndisturbed(TOGETHER, started, quick ? 1 : 2);
        sameWork.check(job, events.result);
        const measurement = measured(round, job, events);
        measurements.push(measurement);
        versions[job.contender] = events.version;
        log(`round ${round}: ${name}: ${shown(measurement)}`);
      } catch (error) {
        failures.push({ round, what: name, reason: error.message });
        log(`round ${round}: ${name}: FAILED: ${error.message}`);
      }
    }
  }
  return { measurements, versions: describeVersions(versions), skipped, failures };
}

function tooLarge(job) {
  const needed = headBytes(job);
  const free = freeBytes();
  if (needed <= MEMORY_SHARE * free) return undefined;
  const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  return `it needs ${gib(needed)} of memory, of which ${gib(free)} are free`;
}

function measured(round, job, { result, trained, foreignLoad }) {
  const { work, contender, starter, ranks, threads, place, numClasses, batch } = job;
  const { images, steps, seconds, loss, adam, parameters, peaks } = result;
  return {
    ...{ round, work, contender, starter, ranks, threads, place, numClasses, batch },
    ...{ images, steps, seconds, loss, adam, parameters },
    ...(place && {
      peakTraining: Math.max(...trained.peaks),
      peakEnd: Math.max(...trained.peaks, ...peaks),
    }),
    ...{ foreignLoad, disturbed: foreignLoad > DISTURBED_ABOVE },
  };
}

const shown = ({ images, steps, seconds, loss, disturbed }) =>
  `${(images / seconds).toPrecision(4)} images/s, ${((1000 * seconds) / steps).toPrecision(4)} ms a step, loss ${loss.toPrecision(3)}${disturbed ? ' (disturbed by other work)' : ''}`;
