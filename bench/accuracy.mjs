#!/usr/bin/env node
// npm run accuracy: every head on full Fashion-MNIST, three seeds, four epochs, beside what PyTorch reaches with the same
// recipe. Takes the folder of the four IDX files, by default that of Debian's package dataset-fashion-mnist. Writes
// results/accuracy.json and results/accuracy.md; fails where a mean lies outside the limits.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { datasets, models, schedules, train } from '../dist/lib/index.mjs';
import { describeMachine } from './shared/machine.mjs';
import { describeSources, sourcesLine } from './shared/sources.mjs';

const SEEDS = [1, 2, 3];
const EPOCHS = 4;
/** Seeds differ by about 0.4 points. */
const LIMITS = { accuracy: 1.1, angle: 8 };

const annealed = (min) => ({ base: 1000, gamma: 0.12, power: 1, min });

/**
 * `pytorch`: mean accuracy (%), angle to the own centre and between nearest centres (degrees), of PyTorch 2.13 with the
 * seed CNN (128-D embedding, its default initialisation, class weights Xavier-uniform and no bias), pixels normalised by
 * mean and std, Adam 1e-3 falling to 0 by a cosine, batch 128; arcface with the linear wrap.
 */
const HEADS = [
  { head: 'softmax', bias: false, pytorch: [90.7, 21, 42] },
  { head: 'l2-softmax', alpha: 16, bias: false, pytorch: [90.4, 18, 31] },
  { head: 'normface', s: 16, pytorch: [90.5, 23, 43] },
  { head: 'am-softmax', s: 16, m: 0.35, pytorch: [90.5, 32, 85] },
  { head: 'am-softmax', s: 7.5, m: 0.35, pytorch: [90.7, 27, 86] },
  { head: 'arcface', s: 16, m: 0.5, pytorch: [90.2, 23, 68] },
  { head: 'arcface', s: 30, m: 0.5, pytorch: [89.7, 21, 60] },
  { head: 'l-softmax', m: 2, lambda: annealed(0), pytorch: [90.7, 27, 71] },
  { head: 'l-softmax', m: 4, lambda: annealed(5), pytorch: [90.5, 26, 79] },
  { head: 'a-softmax', m: 4, lambda: annealed(5), pytorch: [90.3, 25, 78] },
  { head: 'scaled-bn', m: 1, pytorch: [90.2, 25, 55] },
  { head: 'combined', s: 16, m1: 1, m2: 0.3, m3: 0.2 },
  { head: 'pedcc', s: 7.5, m: 0.35 },
  { head: 'center', weight: 0.01 },
];

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

async function trainOnce(data, options, seed) {
  const { model, test, angles, history } = await train({
    ...options,
    data,
    model: models.seedCnn({ embeddingSize: 128 }),
    learningRate: schedules.cosine({ base: 1e-3 }),
    seed,
    epochs: EPOCHS,
    progress: false,
  });
  model.dispose();
  const { ownCentreMean: own, nearestOtherCentreMean: other } = angles;
  return { seed, accuracy: 100 * test.accuracy, own, other, losses: history.map(({ loss }) => loss) };
}

async function measure(data, { pytorch, ...options }) {
  const runs = [];
  for (const seed of SEEDS) runs.push(await trainOnce(data, options, seed));
  const means = ['accuracy', 'own', 'other'].map((key) => mean(runs.map((run) => run[key])));
  const off = pytorch?.map((value, i) => means[i] - value);
  const limits = [LIMITS.accuracy, LIMITS.angle, LIMITS.angle];
  const within = off?.every((value, i) => Math.abs(value) <= limits[i]);
  return { options, runs, means, ...(pytorch && { pytorch, within }) };
}

const describe = ({ head, ...options }) =>
  [head, ...Object.entries(options).map(([name, value]) => `${name} ${valueText(value)}`)].join(' ');
const valueText = (value) =>
  typeof value === 'object' ? `max(${value.min}, ${value.base}/(1 + ${value.gamma}t))` : String(value);

function line({ options, runs, means, pytorch, within }) {
  const [accuracy, own, other] = means;
  const beside = pytorch
    ? [`${pytorch[0].toFixed(1)} / ${pytorch[1]}° / ${pytorch[2]}°`, within ? 'yes' : 'NO']
    : ['–', '–'];
  const cells = [
    describe(options),
    runs.map((run) => run.accuracy.toFixed(1)).join(' / '),
    accuracy.toFixed(2),
    `${own.toFixed(0)}°`,
    `${other.toFixed(0)}°`,
    ...beside,
  ];
  return `| ${cells.join(' | ')} |`;
}

const HEADING = [
  '| head | test accuracy %, seeds 1 / 2 / 3 | mean | own centre | nearest other centre | PyTorch | agrees |',
  '|---|---|---|---|---|---|---|',
];

async function main() {
  const sources = describeSources();
  const { values, positionals } = parseArgs({
    options: { only: { type: 'string' } },
    allowPositionals: true,
  });
  const data = await datasets.fashionMnist(positionals[0]);
  if (data.train.labels.length < 60_000)
    throw new Error(`${data.name} is not the full Fashion-MNIST: name its folder`);
  const chosen = HEADS.filter(({ head }) => !values.only || values.only.split(',').includes(head));
  console.log(HEADING.join('\n'));
  const results = [];
  for (const head of chosen) {
    results.push(await measure(data, head));
    console.log(line(results.at(-1)));
  }
  if (results.some(({ within }) => within === false)) process.exitCode = 1;
  if (values.only) return; // a part is not the result
  const settings = { epochs: EPOCHS, seeds: SEEDS, limits: LIMITS, embeddingSize: 128 };
  const report = { date: new Date().toISOString(), sources, machine: describeMachine(), settings, results };
  const path = (name) => new URL(`results/${name}`, import.meta.url);
  writeFileSync(path('accuracy.json'), `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(
    path('accuracy.md'),
    `${[...HEADING, ...results.map(line), '', sourcesLine(report)].join('\n')}\n`,
  );
}

await main();
