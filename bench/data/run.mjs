#!/usr/bin/env node
// node bench/data/run.mjs: what reading and changing images costs. A folder of photographs, larger than memory should be, is
// decoded and trained on; images in the mapped file are compared with images in an array; and augmentation with none.
//   --rounds N        (5) each in turn
//   --gibibytes N     (6) of decoded images, which lie in a folder of build/ meanwhile
// Writes results/data.json and data.md where no option is given.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { positiveInteger } from '../shared/arguments.mjs';
import { describeMachine } from '../shared/machine.mjs';
import { describeSources, sourcesLine } from '../shared/sources.mjs';
import { augmentationTable, measureAugmentation } from './augmentation.mjs';
import { measureLargeSet, measureMapped, packedTable, SIDE } from './packed.mjs';
import { writePhotographs } from './photographs.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({ options: { rounds: { type: 'string' }, gibibytes: { type: 'string' } } });
const rounds = positiveInteger('--rounds', values.rounds ?? '5');
const gibibytes = positiveInteger('--gibibytes', values.gibibytes ?? '6');

async function measurePacked() {
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

const sources = describeSources();
const augmentation = await measureAugmentation(rounds);
const packed = await measurePacked();
const machine = describeMachine();
const report = { date: new Date().toISOString(), sources, machine, rounds, packed, augmentation };
const markdown = `# What reading and changing images costs

${packedTable(packed)}

Training steps of ResNet-18 (32×32, batch 64, fp32) with images changed at random, beside none:

${augmentationTable(augmentation)}

${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; medians of ${rounds} rounds in turn, ratios within a round.
${sourcesLine(report)}
`;
console.log(markdown);
if (values.rounds === undefined && values.gibibytes === undefined) {
  const results = join(ROOT, 'bench', 'results');
  writeFileSync(join(results, 'data.json'), `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(join(results, 'data.md'), markdown);
}
