#!/usr/bin/env node
// node bench/files/run.mjs: how long a ResNet-50 with 1,000 classes takes to a file and back, beside torch.save, torch.load and
// safetensors' save_file and load_file; and how long our event loop stands still meanwhile, of VGG-16 as well.
//   --rounds N       (7) each of all works in turn
//   --folders A,B    where files are written (default: build/, and /dev/shm where there is one)
// Needs Python with torch, torchvision and safetensors: $MARGINCORE_PYTHON, or .venv/bin/python. Writes results/files.json and
// files.md where no option is given.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import lib from '../../dist/lib/index.js';
import random from '../../dist/test/support/randomModel.js';
import { describeMachine, physicalCores } from '../shared/machine.mjs';
import { findPython } from '../shared/python.mjs';
import { describeSources, sourcesLine } from '../shared/sources.mjs';
import { median, spread } from '../shared/statistics.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '../..');
const IMAGE = [224, 224, 3];

/** The rows that stand beside one another; the first is ours. Theirs leave a file to the system's memory unless fsync says otherwise. */
const SAVING = ['save', 'torch.save, fsync', 'save_file, fsync', 'torch.save', 'save_file'];
const LOADING = ['load', 'torch.load', 'load_file'];
/** What a work reads is what another one wrote. */
const WRITTEN_BY = { load: 'save', 'torch.load': 'torch.save, fsync', load_file: 'save_file, fsync' };

async function startRival() {
  const { python, reason } = findPython();
  if (!python) throw new Error(reason);
  const child = spawn(python, [join(HERE, 'rival.py'), String(physicalCores())], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('rival.py ended');
    return JSON.parse(value);
  };
  const { ready } = await answer();
  const seconds = async (work, path) => {
    child.stdin.write(`${JSON.stringify({ work, path })}\n`);
    return (await answer()).seconds;
  };
  return { ready, seconds, end: () => child.stdin.end() };
}

/** Seconds, and the milliseconds that the event loop stood still at most. */
async function timed(work) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  const result = await work();
  const seconds = (performance.now() - start) / 1000;
  delay.disable();
  result?.dispose();
  return { seconds, blocked: delay.max / 1e6 };
}

const ours = (model) => ({
  save: (path) => model.save(path),
  load: (path) => lib.Model.load(path, { device: 'cpu' }),
  exportOnnx: (path) => model.exportOnnx(path),
  exportPyTorch: (path) => model.exportPyTorch(path),
});

async function roundsIn(folder, rounds, rival, model) {
  const seconds = Object.fromEntries([...SAVING, ...LOADING].map((work) => [work, []]));
  const blocked = { save: [], load: [] };
  const own = ours(model);
  for (let round = -1; round < rounds; round++) {
    for (const work of [...SAVING, ...LOADING]) {
      const path = join(folder, WRITTEN_BY[work] ?? work);
      const found = own[work]
        ? await timed(() => own[work](path))
        : { seconds: await rival.seconds(work, path) };
      if (round < 0) continue; // to warm up
      seconds[work].push(found.seconds);
      blocked[work]?.push(found.blocked);
    }
  }
  return { seconds, blocked };
}

function rowsOf(works, { seconds, blocked }) {
  const mine = seconds[works[0]];
  return works.map((work) => ({
    work,
    milliseconds: spread(seconds[work].map((each) => 1000 * each)),
    ratio: median(seconds[work].map((each, round) => each / mine[round])),
    ...(blocked[work] && { blocked: median(blocked[work]) }),
  }));
}

/** How long our event loop stands still. */
async function exportsOf(folder, rounds, model, name) {
  const own = ours(model);
  const rows = [];
  for (const work of ['save', 'exportPyTorch', 'exportOnnx']) {
    const found = [];
    for (let round = -1; round < rounds; round++) {
      const each = await timed(() => own[work](join(folder, work)));
      if (round >= 0) found.push(each);
    }
    const of = (key, factor = 1) => spread(found.map((each) => factor * each[key]));
    rows.push({ name, work, milliseconds: of('seconds', 1000), blocked: of('blocked') });
  }
  return rows;
}

const number = (value) => value.toFixed(value < 10 ? 1 : 0);
const range = ({ median, min, max }) => `${number(median)} (${number(min)}–${number(max)})`;

function markdown({ tables, exports, versions, machine, rounds, ...report }) {
  const lines = [];
  for (const { folder, saving, loading } of tables) {
    for (const [title, rows] of [
      ['Saving', saving],
      ['Loading', loading],
    ]) {
      lines.push(
        `### ${title} a ResNet-50, 98 MiB, ${folder}`,
        '',
        '| | ms, median (range) | to ours | event loop stood still, ms |',
        '|---|---:|---:|---:|',
        ...rows.map(
          ({ work, milliseconds, ratio, blocked }, index) =>
            `| ${index === 0 ? `margincore, \`${work}\`` : `\`${work}\``} | ${range(milliseconds)} | ${index === 0 ? '' : `${ratio.toFixed(2)}×`} | ${blocked === undefined ? '' : number(blocked)} |`,
        ),
        '',
      );
    }
  }
  lines.push(
    '### Exports, and how long the event loop stood still at most',
    '',
    '| network | | ms, median (range) | stood still, ms |',
    '|---|---|---:|---:|',
    ...exports.map(
      ({ name, work, milliseconds, blocked }) =>
        `| ${name} | \`${work}\` | ${range(milliseconds)} | ${range(blocked)} |`,
    ),
  );
  return `# Files

Each work in turn, ${rounds} rounds after one to warm up; ratios are medians of those within a round. \`save\` writes a file beside the
old one, brings it to the disk, renames it and syncs the folder, and hashes all of it (SHA-256); \`load\` checks the hash and that every number
is finite. Of theirs, \`torch.save\` has a CRC-32 and \`save_file\` no check; rows with fsync bring the file to the disk, and the others leave it to
the system's memory. Loading is from the path to a network that could predict, on their side by \`assign\` into one without weights; files
are in the system's memory then.

What bounds ours: without SHA-256 saving takes 145 instead of 248 ms of processor time, loading 226 instead of 437 (medians of seven, in
memory): it reads every byte at some 1 GB/s, on the one thread of JavaScript, in pieces, and a loaded file is read once for it and once for its
numbers. The rest is copies from and to native memory, 161 waits for the session's thread, and the look at every number.

${lines.join('\n')}

${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${versions}.
${sourcesLine(report)}
`;
}

async function main() {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '7' }, folders: { type: 'string' } },
  });
  const sources = describeSources();
  const places = values.folders?.split(',') ?? [join(ROOT, 'build'), '/dev/shm'].filter(existsSync);
  const rounds = Number(values.rounds);
  const rival = await startRival();
  const model = await random.randomModel(lib.models.resnet50(), IMAGE, { head: 'softmax' }, 1000);
  const report = { date: new Date().toISOString(), sources, machine: describeMachine(), rounds };
  const tables = [];
  const exports = [];
  for (const place of places) {
    mkdirSync(place, { recursive: true });
    const folder = mkdtempSync(join(place, 'margincore-files-'));
    try {
      const found = await roundsIn(folder, rounds, rival, model);
      const kind = place.startsWith('/dev/shm') ? 'in memory (tmpfs)' : 'on the disk';
      tables.push({ folder: kind, saving: rowsOf(SAVING, found), loading: rowsOf(LOADING, found) });
      if (exports.length > 0) continue;
      exports.push(...(await exportsOf(folder, rounds, model, 'ResNet-50')));
      const vgg = await random.randomModel(lib.models.vgg16(), IMAGE, { head: 'softmax' }, 1000);
      exports.push(...(await exportsOf(folder, Math.min(3, rounds), vgg, 'VGG-16')));
      vgg.dispose();
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  rival.end();
  model.dispose();
  const result = { ...report, versions: rival.ready, tables, exports };
  console.log(markdown(result));
  if (values.rounds !== '7' || values.folders !== undefined) return;
  const write = (name, text) => writeFileSync(join(ROOT, 'bench/results', name), text);
  write('files.json', `${JSON.stringify(result, null, 1)}\n`);
  write('files.md', markdown(result));
}

await main();
