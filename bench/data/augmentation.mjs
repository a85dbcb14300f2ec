#!/usr/bin/env node
// node bench/data/augmentation.mjs: what changing images at random costs: training steps of ResNet-18 (32×32, batch 64) with
// each policy, beside none.
//   --rounds N        (5) each in turn
// Writes results/augmentation.json and augmentation.md where no option is given.
import { parseArgs } from 'node:util';
import { models, train } from '../../dist/lib/index.mjs';
import { positiveInteger } from '../shared/arguments.mjs';
import { physicalCores } from '../shared/machine.mjs';
import { describeSources } from '../shared/sources.mjs';
import { median } from '../shared/statistics.mjs';
import { noise } from './noise.mjs';
import { report } from './report.mjs';

const BATCH = 64;
const IMAGES = 10 * BATCH;
const CIFAR = { crop: 4, flip: true };
const EVERYTHING = {
  ...{ resizedCrop: [0.08, 1], flip: true, rotate: 10, translate: 0.1, scale: [0.9, 1.1], shear: 5 },
  ...{ brightness: 0.4, contrast: 0.4, saturation: 0.4, grey: 0.1, erase: 0.5 },
};
const ROWS = [
  { title: 'none', augment: 'none' },
  { title: "`'cifar'`", augment: 'cifar' },
  { title: "`'imagenet'`", augment: 'imagenet' },
  { title: "`'faces'`", augment: 'faces' },
  { title: 'all of the image', augment: EVERYTHING },
  { title: "`'cifar'`, mixup and cutmix", augment: { ...CIFAR, mixup: 0.2, cutmix: 1 } },
];

/** Rows take turns: each time a run of two epochs, of which the second counts. */
async function measure(rounds) {
  const data = {
    images: { data: noise(IMAGES * 32 * 32 * 3), shape: [IMAGES, 32, 32, 3] },
    labels: Int32Array.from({ length: IMAGES }, (_, i) => i % 10),
  };
  const model = models.resnet18({ imageSize: 32, embeddingSize: 512 });
  const common = {
    data,
    model,
    head: 'arcface',
    batchSize: BATCH,
    epochs: 2,
    device: 'cpu',
    progress: false,
  };
  const rates = ROWS.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { title, augment }] of ROWS.entries()) {
      const result = await train({ ...common, threads: physicalCores(), augment });
      result.model.dispose();
      rates[i].push(result.history[1].imagesPerSecond);
      console.error(`${title}: ${rates[i].at(-1).toFixed(1)} images/s`);
    }
  }
  return ROWS.map((row, i) => ({
    ...row,
    imagesPerSecond: median(rates[i]),
    timeOfStep: median(rates[i].map((rate, round) => rates[0][round] / rate)),
  }));
}

const table = (rows) =>
  [
    '| augment | images/s | a step takes |',
    '|---|---|---|',
    ...rows.map(
      ({ title, imagesPerSecond, timeOfStep }) =>
        `| ${title} | ${imagesPerSecond.toFixed(0)} | ${timeOfStep.toFixed(3)}× |`,
    ),
    '',
    `All of the image: \`${JSON.stringify(EVERYTHING).replaceAll('"', '')}\`.`,
  ].join('\n');

const { values } = parseArgs({ options: { rounds: { type: 'string' } } });
const rounds = positiveInteger('--rounds', values.rounds ?? '5');
const sources = describeSources();
const measured = await measure(rounds);
report(
  'augmentation',
  { sources, rounds, measured: { rows: measured } },
  `# What changing images at random costs

Training steps of ResNet-18 (32×32, batch 64, fp32), beside steps with images as they are:

${table(measured)}`,
  values.rounds === undefined,
);
