#!/usr/bin/env node
// node bench/search.mjs: exact search among a million embeddings of 512 numbers, beside NumPy and faiss's flat index,
// call after call in turn, in one run. All must find the same. Writes results/search.json and results/search.md.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SearchIndex } from '../dist/lib/native/searchIndex.js';
import { positiveInteger } from './shared/arguments.mjs';
import { describeMachine } from './shared/machine.mjs';
import { describeSources, sourcesLine } from './shared/sources.mjs';
import { median } from './shared/statistics.mjs';

const { values: given } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    size: { type: 'string', default: '512' },
    queries: { type: 'string', default: '1,8,128' },
    top: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string', default: '2' },
    write: { type: 'boolean', default: true },
  },
  allowNegative: true,
});
const [rows, size, top, rounds, threads] = ['rows', 'size', 'top', 'rounds', 'threads'].map((name) =>
  positiveInteger(`--${name}`, given[name]),
);
const asked = given.queries.split(',').map((text) => positiveInteger('--queries', text));
const python = process.env.MARGINCORE_PYTHON ?? '.venv/bin/python';
const folder = mkdtempSync(join(tmpdir(), 'margincore-search-'));

/** Numbers in [−1, 1) of a small congruential generator: nothing of the timing depends on them. */
let state = 1;
function random(count) {
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const bytesOf = ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength);

async function writeRows(file) {
  const stream = createWriteStream(file);
  for (let done = 0; done < rows; done += 4096) {
    const some = random(Math.min(4096, rows - done) * size);
    if (!stream.write(bytesOf(some))) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'finish');
}

async function ours(file) {
  const index = await SearchIndex.open(size, { device: 'cpu', threads });
  const handle = await open(file);
  for (;;) {
    const piece = new Float32Array(4096 * size);
    const { bytesRead } = await handle.read(bytesOf(piece));
    if (bytesRead === 0) break;
    await index.add(piece.subarray(0, bytesRead / 4));
  }
  await handle.close();
  return {
    name: 'margincore',
    async search(queries) {
      const started = performance.now();
      const found = await index.search(queries, top);
      const seconds = (performance.now() - started) / 1000;
      const first = Array.from({ length: queries.length / size }, (_, query) => found.rows[query * top]);
      return { seconds, first };
    },
    end: () => index.dispose(),
  };
}

async function theirs(contender, file) {
  const job = JSON.stringify({ contender, file, size, top, threads });
  const env = { ...process.env, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) };
  const child = spawn(python, ['bench/contenders/search.py', job], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${contender} ended`);
    return JSON.parse(value);
  };
  const { version } = await next();
  return {
    name: `${contender} ${version}`,
    async search(queries) {
      const queriesFile = join(folder, 'queries');
      writeFileSync(queriesFile, bytesOf(queries));
      child.stdin.write(`${JSON.stringify({ queries: queriesFile })}\n`);
      return await next();
    },
    end: () => child.stdin.end(),
  };
}

async function measure(contenders) {
  const table = [];
  for (const count of asked) {
    const seconds = contenders.map(() => []);
    for (let round = -1; round < rounds; round++) {
      const queries = random(count * size);
      const firsts = [];
      for (const [index, contender] of contenders.entries()) {
        // What others' threads do after an answer (they spin, in case there is more) and what one's own do before the
        // first is nobody's time: all are let come to rest, and the second answer counts.
        await setTimeout(200);
        await contender.search(queries);
        const found = await contender.search(queries);
        if (round >= 0) seconds[index].push(found.seconds);
        firsts.push(String(found.first));
      }
      if (new Set(firsts).size !== 1) throw new Error('the contenders found other rows');
    }
    table.push({
      queries: count,
      contenders: contenders.map(({ name }, i) => row(name, seconds[i], seconds[0])),
    });
    console.error(
      `${count}: ${contenders.map(({ name }, i) => `${name} ${median(seconds[i]).toFixed(3)}`).join(', ')}`,
    );
  }
  return table;
}

/** Ratios are taken within a round. */
function row(name, seconds, ours) {
  const ratio = median(seconds.map((value, round) => value / ours[round]));
  return { name, seconds: median(seconds), all: seconds, timesOurs: ratio };
}

function markdown({ date, sources, machine, table }) {
  const names = table[0].contenders.map(({ name }) => name);
  const cell = ({ seconds, timesOurs }, index) =>
    index === 0 ? `**${seconds.toFixed(3)} s**` : `${seconds.toFixed(3)} s (${timesOurs.toFixed(2)}×)`;
  return [
    `# Exact search among ${rows.toLocaleString('en')} embeddings of ${size} numbers`,
    '',
    `The ${top} nearest of each query by cosine, fp32, ${threads} threads, ${machine.cpu}. Medians of ${rounds} rounds, contenders in turn; ratios are medians of those within a round. All found the same nearest rows.`,
    '',
    `| queries in a call | ${names.join(' | ')} |`,
    `|---|${names.map(() => '---|').join('')}`,
    ...table.map(({ queries, contenders }) => `| ${queries} | ${contenders.map(cell).join(' | ')} |`),
    '',
    `${sourcesLine({ date, sources })}`,
    '',
  ].join('\n');
}

const opened = [];
try {
  const sources = describeSources();
  const file = join(folder, 'rows');
  await writeRows(file);
  opened.push(await ours(file));
  for (const name of ['numpy', 'faiss']) opened.push(await theirs(name, file));
  const table = await measure(opened);
  const settings = { rows, size, top, rounds, threads };
  const report = { date: new Date().toISOString(), sources, machine: describeMachine(), settings, table };
  console.log(markdown(report));
  if (given.write) {
    writeFileSync('bench/results/search.json', `${JSON.stringify(report, null, 2)}\n`);
    writeFileSync('bench/results/search.md', markdown(report));
  }
} finally {
  for (const contender of opened) contender.end();
  rmSync(folder, { recursive: true });
}
