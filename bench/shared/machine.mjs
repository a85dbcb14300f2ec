import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

/** Cores, not hyper-threads, and no more than this process may use. */
export function physicalCores() {
  const processors = readFileSync('/proc/cpuinfo', 'utf8').split('\n\n');
  const core = (text) =>
    ['physical id', 'core id'].map((key) => text.match(new RegExp(`^${key}\\s*: (\\d+)`, 'm'))?.[1]);
  const known = processors.map(core).filter(([, id]) => id !== undefined);
  const count = new Set(known.map(String)).size || cpus().length;
  return Math.min(count, availableParallelism());
}

/** Whether the processor multiplies numbers of 16 bits with 8 of them precision, as margincore asks for. */
export const hasBf16 = () =>
  /^flags\s*:.*\b(avx512_bf16|amx_bf16)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));

export function describeMachine() {
  return {
    cpu: cpus()[0].model,
    cores: physicalCores(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
    node: process.version,
  };
}

/** Processor time of the whole machine since it started, in clock ticks: what was used, and all there was. */
export function processorTimes() {
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1, 9).map(Number);
  const [, , , idle, ioWait] = ticks;
  const total = ticks.reduce((sum, value) => sum + value);
  return { used: total - idle - ioWait, total };
}

/** Memory that a process could still get. */
export const freeBytes = () =>
  Number(readFileSync('/proc/meminfo', 'utf8').match(/^MemAvailable:\s+(\d+) kB/m)[1]) * 1024;
