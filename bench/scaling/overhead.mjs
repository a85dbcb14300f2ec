#!/usr/bin/env node
// node bench/scaling/overhead.mjs: what `distributed: true` costs where there is one process. By turns with and without, in one
// process: two of them differ by more, in where their memory lies. Writes results/scaling-overhead.json and scaling-overhead.md.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { train } from '../../dist/lib/index.mjs';
import { describeMachine } from '../shared/machine.mjs';
import { describeSources, sourcesLine } from '../shared/sources.mjs';
import { median } from '../shared/statistics.mjs';
import { dataAndModel } from './ranks/dataAndModel.mjs';
import { findLauncher } from './ranks/launcher.mjs';
import { planRound } from './ranks/plan.mjs';

/** Epochs of a run after the one to warm up. */
const EPOCHS = { 'seed-cnn': 8, resnet18: 3 };
/** With and without, and the other way round. An even number: each way comes first as often. */
const PAIRS = 10;
const AT_MOST = 0.01;

const isLaunched = process.env.OMPI_COMM_WORLD_RANK !== undefined || process.env.PMI_RANK !== undefined;
if (isLaunched) await main();
else launch();

function launch() {
  const { command, reason } = findLauncher(['openmpi', 'mpich']);
  if (command === undefined) throw new Error(reason);
  const [program, ...options] = command;
  const { status } = spawnSync(
    program,
    [...options, '-n', '1', process.execPath, fileURLToPath(import.meta.url)],
    {
      stdio: 'inherit',
    },
  );
  process.exitCode = status ?? 1;
}

async function main() {
  const sources = describeSources();
  const works = {};
  for (const work of Object.keys(EPOCHS)) works[work] = await measure(work);
  const report = { date: new Date().toISOString(), sources, machine: describeMachine(), pairs: PAIRS, works };
  const markdown = asMarkdown(report);
  process.stdout.write(markdown);
  const file = (ending) => fileURLToPath(new URL(`../results/scaling-overhead.${ending}`, import.meta.url));
  writeFileSync(file('json'), `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(file('md'), markdown);
}

async function measure(work) {
  const job = planRound({ quick: false, work: [work] }).find(({ starter }) => starter === 'mpi');
  const given = await dataAndModel(job);
  const shares = [];
  await seconds(job, given, false);
  for (let pair = 0; pair < PAIRS; pair++) {
    const taken = {};
    for (const distributed of pair % 2 === 0 ? [false, true] : [true, false])
      taken[distributed] = await seconds(job, given, distributed);
    shares.push(taken[true] / taken[false] - 1);
    process.stderr.write(`${work}: ${percent(shares.at(-1))}\n`);
  }
  return { shares, ...between(shares) };
}

/** Half of the pairs lie between the quartiles: a machine that others use gives single ones that are far off. */
function between(shares) {
  const sorted = shares.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return {
    median: median(sorted),
    quartiles: [median(sorted.slice(0, half)), median(sorted.slice(-half))],
  };
}

/** Of whole steps, after an epoch to warm up. */
async function seconds(job, given, distributed) {
  let [begin, end, sum] = [0, 0, 0];
  const { model } = await train({
    ...given,
    ...job.head,
    ...{ distributed, batchSize: job.batch, epochs: 1 + EPOCHS[job.work], seed: 0 },
    ...{ optimizer: 'adam', learningRate: 1e-3, device: 'cpu', threads: 1, progress: false },
    onEpoch({ epoch }) {
      if (epoch > 1) sum += (end - begin) / 1000;
      begin = performance.now();
    },
    onStep() {
      end = performance.now();
    },
  });
  model.dispose();
  return sum;
}

function asMarkdown({ machine, works, ...report }) {
  const rows = Object.entries(works).map(
    ([work, { median: middle, quartiles, shares }]) =>
      `| ${work} | ${percent(middle)} | ${quartiles.map(percent).join(' to ')} | ${percent(Math.min(...shares))} to ${percent(Math.max(...shares))} |`,
  );
  const isMet = Object.values(works).every(({ median: middle }) => middle <= AT_MOST);
  return `# What \`distributed: true\` costs one process

${sourcesLine(report)}

Time of whole steps on one thread, beside the same without: by turns in one process, ${PAIRS} pairs. On the host one process
has nobody to exchange with, and its steps are those of none.

| work | more time, median | half of the pairs | all |
|---|---|---|---|
${rows.join('\n')}

Target: at most ${percent(AT_MOST)}, ${isMet ? 'met' : 'MISSED'}. ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB.
`;
}

function percent(share) {
  return `${share < 0 ? '−' : '+'}${(100 * Math.abs(share)).toFixed(1)} %`;
}
