#!/usr/bin/env node
// scripts/kill-runs: kills runs with SIGKILL at random moments and resumes them, until they end. Nothing may be lost but the
// steps since a checkpoint was due, and whatever was killed how often has to come to the numbers of a run that never was.
//   --kills N   how many (default 200: about ten minutes)
//   --seed N    of the moments
// Writes results.md and results.json where no option is given; fails where anything is not as it has to be.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeSources, sourcesLine } from '../../bench/shared/sources.mjs';
import { TensorFile } from '../../dist/lib/files/tensorFile.js';
import { readRunState } from '../../dist/lib/training/runState.js';

const HERE = dirname(fileURLToPath(import.meta.url));
/** Steps between two checkpoints, in turn. */
const INTERVALS = [1, 3, 10, 40];

/** Runs in the folder; killed after so many milliseconds, if it has not ended by then. */
async function run(folder, every, killAfter) {
  const args = [join(HERE, 'run.cjs'), ...(folder ? [folder, String(every)] : [])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
  const started = performance.now();
  const told = { step: 0, first: undefined, outcome: undefined };
  const ended = new Promise((resolve) =>
    child.once('close', (status, signal) => resolve({ status, signal })),
  );
  for await (const line of createInterface({ input: child.stdout })) {
    const { step, outcome } = parsed(line);
    if (step) {
      told.step = step;
      told.first ??= step;
    }
    if (outcome) told.outcome = outcome;
  }
  const { status, signal } = await ended;
  clearTimeout(timer);
  if (signal !== 'SIGKILL' && status !== 0) throw new Error(`a run in ${folder} ended with status ${status}`);
  return { ...told, wasKilled: signal === 'SIGKILL', seconds: (performance.now() - started) / 1000 };
}

/** The last line of a process that was killed may be cut. */
function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}

/** What the folder has after a kill. Throws for a file that is not whole. */
async function inspect(folder) {
  const names = readdirSync(folder);
  const checkpoints = names.filter((name) => name.startsWith('checkpoint-'));
  let newest = 0;
  for (const name of [...checkpoints, ...names.filter((each) => each === 'best.safetensors')]) {
    const file = await TensorFile.open(join(folder, name));
    await file.verify();
    if (checkpoints.includes(name)) newest = Math.max(newest, readRunState(file).step);
    await file.close();
  }
  return { newest, asides: names.filter((name) => name.endsWith('.part')).length };
}

/** The step that must at least be in a checkpoint once this one was told of: one is saved before the next step is run. */
const due = (step, every) => Math.floor(Math.max(0, step - 1) / every) * every;

async function main() {
  const { values } = parseArgs({ options: { kills: { type: 'string' }, seed: { type: 'string' } } });
  const sources = describeSources();
  const kills = Number(values.kills ?? 200);
  const random = generator(Number(values.seed ?? 1));
  const whole = await run(undefined, 0);
  console.log(`a run that is not killed: ${whole.step} steps, ${whole.seconds.toFixed(1)} s`);
  const rows = INTERVALS.map((every) => ({
    every,
    ...{ kills: 0, beforeFirstStep: 0, whileWriting: 0, runs: 0, equal: 0, lost: 0, mostLost: 0, wrong: [] },
  }));
  for (let killed = 0, turn = 0; killed < kills; turn++) {
    const row = rows[turn % rows.length];
    const { every } = row;
    const folder = mkdtempSync(join(tmpdir(), 'margincore-kills-'));
    let saved = 0;
    for (;;) {
      const isLast = killed >= kills;
      const { step, first, outcome, wasKilled } = await run(
        folder,
        every,
        isLast ? undefined : 1000 * whole.seconds * random(),
      );
      if (first !== undefined && first !== saved + 1)
        row.wrong.push(`resumed with step ${first} after ${saved}`);
      if (!wasKilled) {
        row.runs++;
        if (outcome === whole.outcome) row.equal++;
        else row.wrong.push('came to other numbers');
        break;
      }
      killed++;
      row.kills++;
      const { newest, asides } = await inspect(folder);
      if (step === 0) row.beforeFirstStep++;
      if (asides > 0) row.whileWriting++;
      const reached = Math.max(step, saved);
      if (newest < due(reached, every)) row.wrong.push(`step ${newest} was saved, ${reached} was reached`);
      row.lost += Math.max(0, reached - newest);
      row.mostLost = Math.max(row.mostLost, reached - newest);
      saved = newest;
    }
    rmSync(folder, { recursive: true });
    console.log(`${killed} of ${kills} kills, ${rows.flatMap(({ wrong }) => wrong).length} faults`);
  }
  const text = table(rows);
  console.log(text);
  const wrong = rows.flatMap((row) => row.wrong.map((what) => `every ${row.every} steps: ${what}`));
  for (const what of wrong) console.log(what);
  if (wrong.length > 0) process.exitCode = 1;
  if (Object.keys(values).length > 0) return;
  const report = { date: new Date().toISOString(), sources, steps: whole.step, rows };
  writeFileSync(join(HERE, 'results.json'), `${JSON.stringify(report, null, 1)}\n`);
  const heading = `Runs of ${whole.step} steps, each killed again and again with SIGKILL, at random moments, until it came to its end.`;
  writeFileSync(
    join(HERE, 'results.md'),
    `# Runs that were killed\n\n${heading}\n\n${text}\n\n${sourcesLine(report)}\n`,
  );
}

function table(rows) {
  const head = [
    '| checkpoint every | kills | before the first step | while a file was written | steps lost, mean | most | runs that ended | with the numbers of a run that was not killed | faults |',
    '|---|---|---|---|---|---|---|---|---|',
  ];
  const lines = rows.map(
    ({ every, kills, beforeFirstStep, whileWriting, lost, mostLost, runs, equal, wrong }) =>
      `| ${every} steps | ${kills} | ${beforeFirstStep} | ${whileWriting} | ${(lost / Math.max(1, kills)).toFixed(1)} | ${mostLost} | ${runs} | ${equal} | ${wrong.length} |`,
  );
  return [...head, ...lines].join('\n');
}

/** Uniform numbers in [0, 1), the same for a seed (a linear congruential generator: MMIX's). */
function generator(seed) {
  let state = BigInt(seed);
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number(state >> 11n) / 2 ** 53;
  };
}

await main();
