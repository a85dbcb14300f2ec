#!/usr/bin/env node
// npm run bench: margincore beside PyTorch, ConvNetJS and tfjs on the same work. See README.md in this folder.
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { contenders } from '../shared/contenders.mjs';
import { describeMachine } from '../shared/machine.mjs';
import { describeSources } from '../shared/sources.mjs';
import { describeVersions } from '../shared/versions.mjs';
import { readOptions, usage } from './options.mjs';
import { impossible } from './plan.mjs';
import { runRounds } from './rounds.mjs';
import { isDisturbed, summarize } from './summary.mjs';
import { asMarkdown, asText } from './table.mjs';

const bench = fileURLToPath(new URL('..', import.meta.url));
const log = (text) => process.stderr.write(`${text}\n`);

async function main(options) {
  const sources = describeSources(); // before hours in which they may change
  installRivals();
  const prepared = prepare(options.only);
  const cannot = impossible(options);
  const skipped = [...prepared.skipped, ...cannot];
  for (const { what, reason } of skipped) log(`skipped: ${what}: ${reason}`);
  const work = options.work.filter((id) => !cannot.some(({ what }) => what === id));
  const { measurements, versions, failures } = await runRounds(prepared.commands, { ...options, work }, log);
  const { rounds, threads, quick } = options;
  const report = {
    date: new Date().toISOString(),
    sources,
    machine: describeMachine(),
    versions: describeVersions(versions),
    settings: { rounds, threads, quick },
    tables: summarize(measurements),
    skipped,
    failures,
    disturbed: measurements.filter(isDisturbed).length,
  };
  const json = `${JSON.stringify({ ...report, measurements }, null, 2)}\n`;
  const text = asText(report);
  if (options.json === '-') {
    process.stderr.write(text);
    process.stdout.write(json);
  } else {
    process.stdout.write(text);
    if (options.json) writeFileSync(options.json, json);
  }
  if (options.markdown) writeFileSync(options.markdown, asMarkdown(report));
  if (!measurements.some(({ contender }) => contender === options.only[0])) process.exitCode = 1;
}

/** The JavaScript contenders are dependencies of this folder, not of the package. */
function installRivals() {
  if (existsSync(`${bench}node_modules`)) return;
  log('installing the contenders: npm ci --prefix bench');
  try {
    execFileSync('npm', ['ci', '--prefix', bench, '--ignore-scripts'], { stdio: ['ignore', 2, 2] });
  } catch (error) {
    log(`could not install them: ${error.message}`); // those that need it fail, and say so; the others are measured
  }
}

function prepare(only) {
  const commands = {};
  const skipped = [];
  for (const { name, prepare } of contenders.filter(({ name }) => only.includes(name))) {
    const { command, reason } = prepare();
    if (command) commands[name] = command;
    else skipped.push({ what: name, reason });
  }
  return { commands, skipped };
}

try {
  const options = readOptions(
    process.argv.slice(2),
    contenders.map(({ name }) => name),
  );
  if (options.help) console.log(usage);
  else await main(options);
} catch (error) {
  log(`${error.message}\n\n${usage}`);
  process.exitCode = 1;
}
