#!/usr/bin/env node
// node bench/recipe.mjs NAME --data DIR [--seeds N] [--epochs N | --steps N] [--picture] [--side-by-side N]: runs a recipe, and
// writes its table to results/recipes/NAME.json and NAME.md, with what it was run on; with --picture NAME.svg as well, where the
// first seed's models put images that they were not trained on. Runs that are done are kept in results/recipes/runs/NAME, each with
// its sources: a table may take more than one sitting, and another seed does not run the others again. Delete that folder to begin
// anew. Sources with changes that are not committed keep nothing.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { recipePicture } from '../dist/lib/experiments/recipePicture.js';
import { dataOf } from '../dist/lib/experiments/runRecipe.js';
import { scoringOf } from '../dist/lib/experiments/scoring.js';
import { markdownTable, plainRows } from '../dist/lib/experiments/table.js';
import { recipes, runRecipe } from '../dist/lib/index.mjs';
import { describeMachine, physicalCores } from './shared/machine.mjs';
import { describeSources, sourcesLine } from './shared/sources.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string' },
    seeds: { type: 'string' },
    epochs: { type: 'string' },
    steps: { type: 'string' },
    picture: { type: 'boolean', default: false },
    'side-by-side': { type: 'string', default: '1' },
  },
});
const recipe = recipes.find(({ name }) => name === positionals[0]);
if (recipe === undefined) throw new Error(`There are ${recipes.map(({ name }) => name).join(', ')}`);
const numbers = Object.fromEntries(
  ['seeds', 'epochs', 'steps'].flatMap((name) =>
    values[name] === undefined ? [] : [[name, Number(values[name])]],
  ),
);
const sources = describeSources();
const isKept = sources.dirty === false;
const folder = isKept ? `bench/results/recipes/runs/${recipe.name}` : `build/recipes/${recipe.name}`;
if (!isKept) rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const sideBySide = Number(values['side-by-side']);
const threads = Math.max(1, Math.floor(physicalCores() / sideBySide));
const data = await dataOf(recipe, values.data);
const models = [];
/** By key and seed: of which sources each run is, and on how many threads. */
const sourcesFile = `${folder}/sources.json`;
const sourcesOfRuns = readJson(sourcesFile) ?? {};
const result = await runRecipe(recipe, {
  ...numbers,
  ...{ data, folder, threads, sideBySide, saveModels: values.picture },
  device: 'cpu',
  onRun({ run, runs, seed, key, outcome, model, wasDone }) {
    if (!wasDone) {
      sourcesOfRuns[`${JSON.stringify(key)} seed ${seed}`] = {
        date: new Date().toISOString(),
        sources,
        threads,
      };
      writeFileSync(sourcesFile, `${JSON.stringify(sourcesOfRuns, null, 1)}\n`);
    }
    const { confusion, ...measures } = outcome;
    console.error(`${run}/${runs} ${JSON.stringify(key)} seed ${seed}: ${JSON.stringify(measures)}`);
    if (seed === 1 && model !== undefined) models.push({ key, outcome, model });
  },
});
/** Shares in percent of each class's test images, by what they were taken for; what is below half a percent is a point. */
function confusions({ rows, classNames }) {
  return rows.flatMap(({ key, confusion }) =>
    confusion === undefined || confusion.length > 20
      ? []
      : [
          `<details><summary>${Object.values(key).join(', ')}: what was taken for what, in %</summary>`,
          '',
          `| | ${classNames.join(' | ')} |`,
          `|---|${'---|'.repeat(classNames.length)}`,
          ...confusion.map((counts, label) => {
            const all = counts.reduce((sum, count) => sum + count, 0);
            const cells = counts.map((count) => Math.round((100 * count) / all) || '·');
            return `| ${classNames[label]} | ${cells.join(' | ')} |`;
          }),
          '',
          '</details>',
          '',
        ],
  );
}

// A table is as old as its newest run.
const [newest] = newestFirst(sourcesOfRuns);
const report = {
  date: newest.date,
  sources: newest.sources,
  machine: describeMachine(),
  runs: sourcesOfRuns,
  options: numbers,
  ...result,
  rows: plainRows(result),
};
const length = Object.entries(numbers).filter(([name]) => name !== 'seeds');
const said =
  length.length === 0 ? '' : ` (${length.map(([name, value]) => `${value} ${name}`).join(', ')} only)`;
const page = [
  `# ${recipe.name}`,
  '',
  `${recipe.summary}. ${recipe.source}.`,
  '',
  `On ${result.data}, mean ± standard deviation of seeds 1 to ${result.seeds}${said}, with ${threadsOf(sourcesOfRuns)} threads each, of ${report.machine.cpu}.`,
  '',
  markdownTable(result),
  '',
  ...confusions(result),
  allSources(sourcesOfRuns),
  '',
].join('\n');
mkdirSync('bench/results/recipes', { recursive: true });
writeFileSync(`bench/results/recipes/${recipe.name}.json`, `${JSON.stringify(report, null, 2)}\n`);
writeFileSync(`bench/results/recipes/${recipe.name}.md`, page);
const { shown } = scoringOf(recipe.test, data);
if (values.picture && shown !== undefined && models.length > 0) {
  const order = result.rows.map(({ key }) => JSON.stringify(key));
  models.sort((a, b) => order.indexOf(JSON.stringify(a.key)) - order.indexOf(JSON.stringify(b.key)));
  const picture = await recipePicture(recipe.name, models, shown, sourcesLine(report));
  writeFileSync(`bench/results/recipes/${recipe.name}.svg`, picture);
}
console.log(page);

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function threadsOf(runs) {
  const counts = new Set(Object.values(runs).map((run) => run.threads));
  return [...counts].sort((a, b) => a - b).join(' or ');
}

function newestFirst(runs) {
  return Object.values(runs).sort((a, b) => b.date.localeCompare(a.date));
}

/** Each once, with how many runs are of it. */
function allSources(runs) {
  const counts = new Map();
  for (const run of newestFirst(runs)) {
    const line = sourcesLine(run);
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return [...counts].map(([line, count]) => `${line}: ${count} ${count === 1 ? 'run' : 'runs'}`).join('\\\n');
}
