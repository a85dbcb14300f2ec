#!/usr/bin/env node
// node bench/scaling/model.mjs: how long a training step would take on 8 to 1,024 GPUs with millions of classes, by a model;
// nothing is measured. Writes results/scaling-model.json and scaling-model.md.
//   --out DIR    where the files go (default bench/results)
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeSources } from '../shared/sources.mjs';
import * as assumptions from './assumptions.mjs';
import { computed } from './plan.mjs';
import { asMarkdown } from './text.mjs';

/** Results say when they were measured; these were not. */
function sourcesOfModel() {
  const sources = describeSources();
  const changes = sources.dirty === false ? '' : ', with changes that were not committed';
  return { ...sources, note: `the day it was computed: nothing was timed${changes}` };
}

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: fileURLToPath(new URL('../results', import.meta.url)) },
  },
});
const report = {
  date: new Date().toISOString(),
  sources: sourcesOfModel(),
  assumptions: { ...assumptions },
  ...computed(),
};
writeFileSync(join(values.out, 'scaling-model.json'), `${JSON.stringify(report, null, 2)}\n`);
writeFileSync(join(values.out, 'scaling-model.md'), asMarkdown(report));
