#!/usr/bin/env node
// node bench/recipe.mjs NAME --data DIR [--seeds N] [--epochs N | --steps N]: runs a recipe, and writes its table to
// results/recipes/NAME.json and NAME.md, with what it was run on, and NAME.svg, where the first seed's models put images
// that they were not trained on.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
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
// What other sources did is not theirs.
const folder = `build/recipes/${recipe.name}-${sources.commit}`;
if (sources.dirty !== false) rmSync(folder, { recursive: true, force: true });
const threads = physicalCores();
const data = await dataOf(recipe, values.data);
const models = [];
const result = await runRecipe(recipe, {
  ...numbers,
  ...{ data, folder, threads, saveModels: true },
  device: 'cpu',
  onRun({ run, runs, seed, key, outcome, model }) {
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

const report = {
  date: new Date().toISOString(),
  sources,
  machine: describeMachine(),
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
  `On ${result.data}, mean ± standard deviation of seeds 1 to ${result.seeds}${said}, with ${threads} threads of ${report.machine.cpu}.`,
  '',
  markdownTable(result),
  '',
  ...confusions(result),
  sourcesLine(report),
  '',
].join('\n');
mkdirSync('bench/results/recipes', { recursive: true });
writeFileSync(`bench/results/recipes/${recipe.name}.json`, `${JSON.stringify(report, null, 2)}\n`);
writeFileSync(`bench/results/recipes/${recipe.name}.md`, page);
const { shown } = scoringOf(recipe.test, data);
if (shown !== undefined && models.length > 0) {
  const picture = await recipePicture(recipe.name, models, shown, sourcesLine(report));
  writeFileSync(`bench/results/recipes/${recipe.name}.svg`, picture);
}
console.log(page);
