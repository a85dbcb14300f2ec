// The contenders' side of the conversation with bench/run.mjs: one job in, marked lines out.
const { readFileSync } = require('node:fs');

/** The job that this process was started for. */
const job = () => JSON.parse(process.argv[2]);

/** Marked, so that whatever a library prints is told apart from an answer. */
const report = (event, fields = {}) =>
  process.stdout.write(`@bench ${JSON.stringify({ event, ...fields })}\n`);

/** VmHWM, not resourceUsage().maxRSS: the latter starts at the size of the process that spawned this one. */
const peakMemory = () =>
  Number(readFileSync('/proc/self/status', 'utf8').match(/^VmHWM:\s+(\d+) kB/m)[1]) * 1024;

module.exports = { job, report, peakMemory };
