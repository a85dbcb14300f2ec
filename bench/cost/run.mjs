#!/usr/bin/env node
// npm run bench:cost: how the time of margincore's own training step grows with batch, classes, image size and threads.
// Writes results/cost.json, cost.md and cost.svg.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contenders } from '../shared/contenders.mjs';
import { describeMachine } from '../shared/machine.mjs';
import { describeSources } from '../shared/sources.mjs';
import { readOptions, usage } from './options.mjs';
import { costTables } from './plan.mjs';
import { runCosts } from './rounds.mjs';
import { costRows } from './rows.mjs';
import { costSvg } from './svg.mjs';
import { asMarkdown, asText } from './text.mjs';

const log = (message) => process.stderr.write(`${message}\n`);

async function main(options) {
  const sources = describeSources();
  const { command, reason } = contenders[0].prepare();
  if (!command) throw new Error(reason);
  const planned = costTables(options).filter(({ id }) => options.chosen.includes(id));
  const { measured, ...outcome } = await runCosts(planned, command, options, log);
  const tables = planned.map((table) => ({ ...table, rows: costRows(table, measured[table.id]) }));
  const { rounds, threads, quick } = options;
  const report = {
    date: new Date().toISOString(),
    sources,
    machine: describeMachine(),
    settings: { rounds, threads, quick },
    ...outcome,
    tables,
  };
  process.stdout.write(asText(report));
  if (outcome.failures.length > 0) process.exitCode = 1;
  if (!options.out) return;
  const write = (name, content) => writeFileSync(join(options.out, name), content);
  write('cost.json', `${JSON.stringify(report, null, 2)}\n`);
  write('cost.md', asMarkdown(report, 'cost.svg'));
  write('cost.svg', costSvg(report));
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) console.log(usage);
  else await main(options);
} catch (error) {
  log(`${error.message}\n\n${usage}`);
  process.exitCode = 1;
}
