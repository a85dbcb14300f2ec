#!/usr/bin/env node
// npm run accuracy: every head on full Fashion-MNIST, three seeds, four epochs: beside what PyTorch reaches with the same
// recipe, and with all defaults beside softmax. Takes the folder of the four IDX files, by default that of Debian's
// package dataset-fashion-mnist. Writes results/accuracy.json and results/accuracy.md; fails where a mean lies outside the
// limits.
//   --compared, --defaults   one of the two tables; the other stays as it is
//   --only HEAD,HEAD         these heads; --seeds N,N and --epochs N: other seeds, another length. Nothing is written then.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { HEAD_NAMES } from '../dist/lib/heads/resolve.js';
import { datasets, models, schedules, train } from '../dist/lib/index.mjs';
import * as byDefault from './accuracy/defaults.mjs';
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

async function trainOnce(data, options, seed, epochs) {
  const { model, test, angles, history } = await train({
    ...options,
    data,
    model: models.seedCnn({ embeddingSize: 128 }),
    learningRate: schedules.cosine({ base: 1e-3 }),
    seed,
    epochs,
    progress: false,
  });
  model.dispose();
  const { ownCentreMean: own, nearestOtherCentreMean: other } = angles;
  return { seed, accuracy: 100 * test.accuracy, own, other, losses: history.map(({ loss }) => loss) };
}

async function measure(data, { pytorch, ...options }, seeds, epochs) {
  const runs = [];
  for (const seed of seeds) runs.push(await trainOnce(data, options, seed, epochs));
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

/** Every head beside PyTorch. */
async function compare(data, heads, seeds, epochs) {
  console.log(HEADING.join('\n'));
  const results = [];
  for (const head of HEADS.filter((each) => heads.includes(each.head))) {
    results.push(await measure(data, head, seeds, epochs));
    console.log(line(results.at(-1)));
  }
  return results;
}

/** Every head with all defaults. */
function compareDefaults(data, heads, seeds, epochs) {
  console.log(byDefault.HEADING.join('\n'));
  const trainOnce = async (options, seed) => {
    try {
      const { model, test } = await train({ ...options, data, seed, epochs, progress: false });
      model.dispose();
      return 100 * test.accuracy;
    } catch (error) {
      if (error.code !== 'NON_FINITE') throw error;
      error.details.model?.dispose();
      return 0; // it diverged
    }
  };
  return byDefault.measureDefaults(heads, seeds, trainOnce, (row) => console.log(byDefault.line(row)));
}

/** A table in the file, and when, where and of which sources it was made. */
const tableOf = (settings, sources, results) => ({
  date: new Date().toISOString(),
  sources,
  machine: describeMachine(),
  settings,
  results,
});

/** Writes the tables that were made; one that was not stays as it is. */
function write(made) {
  const path = (name) => new URL(`results/${name}`, import.meta.url);
  const before = JSON.parse(readFileSync(path('accuracy.json'), 'utf8'));
  const report = { ...before, ...made };
  writeFileSync(path('accuracy.json'), `${JSON.stringify(report, null, 1)}\n`);
  const text = (table, heading, lineOf) =>
    table && [...heading, ...table.results.map(lineOf), ...(table.sources ? ['', sourcesLine(table)] : [])];
  const tables = [text(report, HEADING, line), text(report.defaults, byDefault.HEADING, byDefault.line)];
  writeFileSync(
    path('accuracy.md'),
    `${tables
      .filter(Boolean)
      .map((lines) => lines.join('\n'))
      .join('\n\nAll defaults:\n\n')}\n`,
  );
}

const OPTIONS = {
  compared: { type: 'boolean', default: false },
  defaults: { type: 'boolean', default: false },
  only: { type: 'string' },
  seeds: { type: 'string' },
  epochs: { type: 'string' },
};

async function main() {
  const sources = describeSources();
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const isPart = ['only', 'seeds', 'epochs'].some((name) => values[name] !== undefined);
  const heads = values.only?.split(',') ?? HEAD_NAMES;
  const unknown = heads.find((head) => !HEAD_NAMES.includes(head));
  if (unknown) throw new Error(`--only ${unknown}: expected some of ${HEAD_NAMES.join(', ')}`);
  const seeds = values.seeds?.split(',').map(Number) ?? SEEDS;
  const epochs = Number(values.epochs ?? EPOCHS);
  const data = await datasets.fashionMnist(positionals[0]);
  if (data.train.labels.length < 60_000)
    throw new Error(`${data.name} is not the full Fashion-MNIST: name its folder`);
  const settings = { epochs, seeds };
  const tables = {};
  if (values.compared || !values.defaults) {
    const results = await compare(data, heads, seeds, epochs);
    Object.assign(tables, tableOf({ ...settings, limits: LIMITS, embeddingSize: 128 }, sources, results));
  }
  if (values.defaults || !values.compared) {
    const results = await compareDefaults(data, heads, seeds, epochs);
    tables.defaults = tableOf({ ...settings, mostBehind: byDefault.MOST_BEHIND }, sources, results);
  }
  const results = [...(tables.results ?? []), ...(tables.defaults?.results ?? [])];
  if (results.some(({ within }) => within === false)) process.exitCode = 1;
  if (!isPart) write(tables);
}

await main();
