import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { processorTimes } from './machine.mjs';

const TIME_LIMIT_SECONDS = 300;
const TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux that Node runs on

/**
 * Runs one job in a process of its own. Resolves with the events it reported, each with the seconds from its start,
 * and with the part of the processors that others used meanwhile; rejects with the reason where it fails.
 */
export async function runJob([command, ...args], job) {
  const started = performance.now();
  const child = spawn(command, [...args, JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...job.env, OMP_NUM_THREADS: String(job.threads) },
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), TIME_LIMIT_SECONDS * 1000);
  const events = {};
  let begin = { cpuSeconds: 0, machine: processorTimes() };
  createInterface(child.stdout).on('line', (line) => {
    const seconds = (performance.now() - started) / 1000;
    if (!line.startsWith('@bench ')) return;
    const { event, ...fields } = JSON.parse(line.slice('@bench '.length));
    events[event] = { ...fields, secondsFromStart: seconds };
    const now = { cpuSeconds: fields.cpuSeconds, machine: processorTimes() };
    if (event === 'begin') begin = now;
    if (event === 'result') events.foreignLoad = foreignLoad(begin, now);
  });
  let complaints = '';
  child.stderr.on('data', (text) => {
    complaints += text;
  });
  const { code, signal } = await ended(child);
  clearTimeout(timer);
  if (code !== 0 || !events.result) throw new Error(whyItFailed({ code, signal, complaints }));
  return events;
}

/** Which fraction of all processors' time others had, and so disturbed the timing. */
function foreignLoad(begin, end) {
  const own = (end.cpuSeconds - begin.cpuSeconds) * TICKS_PER_SECOND;
  const used = end.machine.used - begin.machine.used;
  return Math.max(0, (used - own) / (end.machine.total - begin.machine.total));
}

const ended = (child) =>
  new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal }));
  });

function whyItFailed({ code, signal, complaints }) {
  if (signal === 'SIGKILL') return `killed (by the system, or after its limit of ${TIME_LIMIT_SECONDS} s)`;
  const lines = complaints.trim().split('\n');
  const error = lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1);
  return `${error.trim() || 'no message'} (exit ${signal ?? code})`;
}
