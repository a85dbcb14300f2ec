#!/usr/bin/env node
// node bench/scaling/ranks.mjs: training with several processes on one machine, beside PyTorch's DistributedDataParallel over
// gloo; and what a head of many classes takes of each process. Writes results/scaling.json and scaling.md.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeMachine } from '../shared/machine.mjs';
import { describeSources } from '../shared/sources.mjs';
import { findLauncher } from './ranks/launcher.mjs';
import { readOptions, usage } from './ranks/options.mjs';
import { planRound } from './ranks/plan.mjs';
import { runRounds } from './ranks/rounds.mjs';
import { starters } from './ranks/starters.mjs';
import { summarize } from './ranks/summary.mjs';
import { asMarkdown } from './ranks/text.mjs';

const log = (message) => process.stderr.write(`${message}\n`);

async function main(options) {
  const sources = describeSources(); // before minutes in which they may change
  const machine = describeMachine();
  const launcher = findLauncher(options.mpi);
  const { measurements, versions, skipped, failures } = await runRounds(
    planRound(options),
    starters(launcher),
    options,
    log,
  );
  const { rounds, quick } = options;
  const report = {
    date: new Date().toISOString(),
    sources,
    machine,
    versions: [...versions, ...(launcher.name ? [launcher.name] : [])],
    settings: { rounds, quick },
    tables: summarize(measurements, machine.cores),
    skipped,
    failures,
    disturbed: measurements.filter(({ disturbed }) => disturbed).length,
  };
  const markdown = asMarkdown(report);
  process.stdout.write(markdown);
  if (failures.length > 0 || measurements.length === 0) process.exitCode = 1;
  if (!options.out) return;
  const json = `${JSON.stringify({ ...report, measurements }, null, 1)}\n`;
  writeFileSync(join(options.out, 'scaling.json'), json);
  writeFileSync(join(options.out, 'scaling.md'), markdown);
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) console.log(usage);
  else await main(options);
} catch (error) {
  log(`${error.message}\n\n${usage}`);
  process.exitCode = 1;
}
