// The contenders' side of the conversation with bench/rivals/run.mjs: one job in, marked lines out.
const { readFileSync } = require('node:fs');

/** The job that this process was started for. */
const job = () => JSON.parse(process.argv[2]);

/**
 * Marked, so that whatever a library prints is told apart from an answer. With the processor time used so far, from
 * which bench/rivals/run.mjs learns how much of the machine somebody else had: events 'begin' and 'result' enclose the timed work.
 */
function report(event, fields = {}) {
  const { user, system } = process.cpuUsage();
  const cpuSeconds = (user + system) / 1e6;
  process.stdout.write(`@bench ${JSON.stringify({ event, cpuSeconds, ...fields })}\n`);
}

/** VmHWM, not resourceUsage().maxRSS: the latter starts at the size of the process that spawned this one. */
const peakMemory = () =>
  Number(readFileSync('/proc/self/status', 'utf8').match(/^VmHWM:\s+(\d+) kB/m)[1]) * 1024;

module.exports = { job, report, peakMemory };
