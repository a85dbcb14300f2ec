#!/usr/bin/env node
// node bench/comparison.mjs: the report of `margincore compare` without options, timed, with two of its figures as files:
// results/comparison/. It is for a machine that does nothing else.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { standaloneSvg } from '../dist/lib/report/charts/schemes.js';
import { describeMachine } from './shared/machine.mjs';
import { describeSources, sourcesLine } from './shared/sources.mjs';

const FIGURES = ['scores-accuracy', 'angles-2'];
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const folder = join(ROOT, 'build/comparison');
const results = join(ROOT, 'bench/results/comparison');

const sources = describeSources();
rmSync(folder, { recursive: true, force: true });
const begin = performance.now();
const { status } = spawnSync(
  process.execPath,
  [join(ROOT, 'dist/lib/cli/main.js'), 'compare', '--folder', folder],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);
const seconds = (performance.now() - begin) / 1000;
if (status !== 0) throw new Error(`margincore compare ended with ${status}`);

const machine = describeMachine();
const report = { date: new Date().toISOString(), sources, machine, seconds };
const measured = `<!-- ${sourcesLine(report)} -->\n`;
mkdirSync(results, { recursive: true });
const page = readFileSync(join(folder, 'comparison.html'), 'utf8');
writeFileSync(join(results, 'comparison.html'), page.replaceAll(folder, 'runs/compare') + measured);
for (const id of FIGURES) {
  const [, svg] = page.match(new RegExp(`<figure id="${id}"[^>]*>[^]*?(<svg [^]*?</svg>)`));
  writeFileSync(join(results, `${id}.svg`), `${standaloneSvg(svg)}\n${measured}`);
}
writeFileSync(
  join(results, 'README.md'),
  `# npx margincore compare

[The page](comparison.html), which needs no other file. From the start of the command to its end: ${Math.round(seconds)} s, on ${machine.cores} cores of ${machine.cpu}.

${readFileSync(join(folder, 'comparison.md'), 'utf8')}
${sourcesLine(report)}
`,
);
writeFileSync(join(results, 'comparison.json'), `${JSON.stringify(report, null, 1)}\n`);
console.log(`${Math.round(seconds)} s`);
