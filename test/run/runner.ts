/** Runs parts, builds and tests side by side, and says how far they are. */
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { add, type Counts, NOTHING, ONE_FAILURE, settle, summary } from './counts.js';
import type { Part } from './parts.js';
import { keepPass, passOf } from './unchanged.js';

const started = Date.now();
const LOGS = 'build/logs';
/** Between two lines of a build that has hundreds. */
const QUIET_MS = 10_000;

export function say(text: string): void {
  const seconds = Math.floor((Date.now() - started) / 1000);
  const time = [Math.floor(seconds / 60), seconds % 60]
    .map((number) => String(number).padStart(2, '0'))
    .join(':');
  console.log(`[${time}] ${text}`);
}

/**
 * Those that others wait for are known to have run where they are not among the chosen ones.
 * @param again Also those that have passed with what they would read now.
 */
export async function runAll(chosen: readonly Part[], again = true): Promise<Counts> {
  const ends = new Map<string, Promise<Counts>>();
  const lanes = { build: Promise.resolve(), test: Promise.resolve() };
  for (const part of chosen) {
    const before = (part.after ?? []).flatMap((name) => ends.get(name) ?? []);
    const end = Promise.all([lanes[part.lane], ...before]).then(([, ...results]) =>
      results.some(({ failed }) => failed > 0) ? notRun(part) : run(part, again),
    );
    ends.set(part.name, end);
    lanes[part.lane] = end.then(() => {});
  }
  return (await Promise.all(ends.values())).reduce(add, NOTHING);
}

function notRun(part: Part): Counts {
  say(`${part.name}: not run, because what it needs failed`);
  return ONE_FAILURE;
}

async function run(part: Part, again: boolean): Promise<Counts> {
  const reason = (part.missing?.() || (again ? '' : passedBefore(part))) ?? '';
  if (reason !== '') {
    say(`${part.name}: skipped, ${reason}`);
    return { ...NOTHING, skips: part.count ? [reason] : [] };
  }
  const begun = Date.now();
  say(`${part.name} …`);
  if (part.report) rmSync(part.report, { force: true });
  const { status, output } = await execute(part);
  const counts = result(part, status, output);
  const seconds = Math.round((Date.now() - begun) / 1000);
  if (counts.failed > 0) console.log(output);
  if (part.unless && counts.failed === 0 && counts.passed > 0) {
    keepPass(part.unless.passed, part.unless.reads, counts);
  }
  say(`${part.name}: ${part.count ? summary(counts) : status === 0 ? 'done' : 'failed'}, ${seconds} s`);
  return counts;
}

/** '' where it has not. */
function passedBefore({ name, unless }: Part): string {
  const pass = unless && passOf(unless.passed, unless.reads);
  return pass === undefined
    ? ''
    : `${name}: ${pass.tests} tests passed on ${pass.on} with the same sources, compiler and processor`;
}

function result(part: Part, status: number, output: string): Counts {
  if (!part.count) return status === 0 ? NOTHING : ONE_FAILURE;
  try {
    return settle(status, part.count(part.report ? readFileSync(part.report, 'utf8') : output));
  } catch (error) {
    console.log(`${part.name}: ${error}`); // no report, or one that is cut off
    return ONE_FAILURE;
  }
}

/** Everything goes to a log; lines that say how far it is are shown too. */
async function execute(part: Part): Promise<{ status: number; output: string }> {
  mkdirSync(LOGS, { recursive: true });
  const log = createWriteStream(`${LOGS}/${part.name}.log`);
  const [command, ...options] = part.command as [string, ...string[]];
  const child = spawn(command, options, {
    env: { ...process.env, ...part.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const steps = new Set<string>(); // Jest names what failed a second time
  let shown = part.lane === 'build' ? Date.now() : 0;
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      log.write(`${line}\n`);
      if (!part.progress.test(line) || steps.has(line)) return;
      steps.add(line);
      if (part.lane === 'build' && Date.now() - shown < QUIET_MS) return;
      shown = Date.now();
      say(`${part.name} ${part.steps ? `${steps.size}/${part.steps} ` : ''}${line.trim()}`);
    });
  }
  const status = await new Promise<number>((resolve) => {
    child.on('error', (error) => {
      lines.push(String(error));
      resolve(1);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
  log.end();
  return { status, output: lines.join('\n') };
}
