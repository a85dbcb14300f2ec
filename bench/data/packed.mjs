#!/usr/bin/env node
// node bench/data/packed.mjs: what reading images costs. A folder of photographs, larger than memory should be, is decoded and
// trained on; and images in the mapped file are compared with images in an array.
//   --rounds N        (5) each in turn
//   --gibibytes N     (6) of decoded images, which lie in a folder of build/ meanwhile
// Writes results/packed.json and packed.md where no option is given.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { datasets, train } from '../../dist/lib/index.mjs';
import { positiveInteger } from '../shared/arguments.mjs';
import { physicalCores } from '../shared/machine.mjs';
import { describeSources } from '../shared/sources.mjs';
import { median } from '../shared/statistics.mjs';
import { writePhotographs } from './photographs.mjs';
import { report } from './report.mjs';
import { smallNetwork } from './smallNetwork.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LARGE_SET = fileURLToPath(new URL('largeSet.mjs', import.meta.url));
const SIDE = 256;
const COMPARED = 4096; // images in both places

/** Decodes the photographs and trains on all of them, in a process of its own. */
async function measureLargeSet(photographs, cache) {
  const { stdout } = await promisify(execFile)(process.execPath, [LARGE_SET, photographs, cache, `${SIDE}`]);
  return JSON.parse(stdout);
}

/** Images/s of the first of these photographs from the file, which the system has cached, and from an array; in turn. */
async function measureMapped(photographs, cache, rounds) {
  const all = await datasets.imageFolder(photographs, { size: SIDE, cache, test: 0 });
  const mapped = datasets.subset(all, { take: COMPARED });
  const arrays = copied(mapped);
  const rates = { mapped: [], arrays: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [place, data] of Object.entries({ mapped, arrays })) {
      const result = await train({
        ...{ data, model: smallNetwork, head: 'softmax', epochs: 3, batchSize: 64, normalize: 'unit' },
        ...{ threads: physicalCores(), device: 'cpu', progress: false },
      });
      result.model.dispose();
      rates[place].push(median(result.history.slice(1).map(({ imagesPerSecond }) => imagesPerSecond)));
      console.error(`${place}: ${rates[place].at(-1).toFixed(0)} images/s`);
    }
  }
  return {
    images: COMPARED,
    mapped: median(rates.mapped),
    arrays: median(rates.arrays),
    ratio: median(rates.mapped.map((rate, round) => rate / rates.arrays[round])),
  };
}

function copied({ train: split, ...dataset }) {
  const [count, ...size] = split.images.shape;
  const bytes = size.reduce((product, each) => product * each);
  const data = new Uint8Array(count * bytes);
  for (let i = 0; i < count; i++) data.set(split.images.pixels(i, 1), i * bytes);
  return { ...dataset, train: { images: { data, shape: [count, ...size] }, labels: split.labels } };
}

const gigabytes = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

const table = ({ large, compared }) =>
  [
    `${large.images.toLocaleString('en')} JPEGs of ${SIDE} × ${SIDE}, ${gigabytes(large.bytes)} once decoded, with a network that does little for each pixel:`,
    '',
    '| | |',
    '|---|---|',
    `| decoding them into the file | ${large.decodeSeconds.toFixed(0)} s, ${(large.images / large.decodeSeconds).toFixed(0)} images/s |`,
    `| then an epoch | ${large.imagesPerSecond.toFixed(0)} images/s |`,
    `| anonymous memory of the process meanwhile, at most | ${large.mostMiB.toFixed(0)} MiB |`,
    `| the first ${compared.images.toLocaleString('en')} of them, cached by the system | ${compared.mapped.toFixed(0)} images/s |`,
    `| the same in an array | ${compared.arrays.toFixed(0)} images/s |`,
    `| from the file, of the speed from the array | ${compared.ratio.toFixed(3)}× |`,
  ].join('\n');

async function measure(rounds, gibibytes) {
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, 'build', 'photographs-'));
  const [photographs, cache] = [join(folder, 'photographs'), join(folder, 'cache')];
  try {
    await writePhotographs(photographs, Math.ceil((gibibytes * 2 ** 30) / (SIDE * SIDE * 3)), SIDE);
    const large = await measureLargeSet(photographs, cache);
    return { large, compared: await measureMapped(photographs, cache, rounds) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const { values } = parseArgs({ options: { rounds: { type: 'string' }, gibibytes: { type: 'string' } } });
const rounds = positiveInteger('--rounds', values.rounds ?? '5');
const gibibytes = positiveInteger('--gibibytes', values.gibibytes ?? '6');
const sources = describeSources();
const measured = await measure(rounds, gibibytes);
report(
  'packed',
  { sources, rounds, measured },
  `# What reading images costs

${table(measured)}`,
  values.rounds === undefined && values.gibibytes === undefined,
);
