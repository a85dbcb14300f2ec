/** What `evaluate` and `verify --pairs` print, against what the API answers and what a confusion says by hand. */
import { mkdirSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';
import {
  datasets,
  embeddingReport,
  Model,
  verificationAccuracy,
  verificationScores,
} from '../../../lib/index.js';
import { margincore } from '../../support/margincore.js';
import { randomImages, randomModel } from '../../support/randomModel.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();
const CPU = ['--device', 'cpu'];

async function run(...args: string[]) {
  const { status, stdout, stderr } = await margincore([...args, ...CPU]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  for (const line of args.includes('-') ? [] : stdout.split('\n'))
    expect(line.length).toBeLessThanOrEqual(80);
  return stdout;
}

async function saveModel(numClasses: number) {
  using model = await randomModel(tinyModel, [28, 28, 1], { head: 'arcface' }, numClasses);
  await model.save(inFolder('model'));
}

/** A picture of noise that is a person's, and a little that is its own. */
async function writePicture(path: string, person: number, picture: number) {
  const { data } = randomImages(1, [28, 28, 1], person + 1);
  const own = randomImages(1, [28, 28, 1], 100 + 10 * person + picture).data;
  for (const [at, value] of own.entries()) data[at] = 0.6 * data[at]! + 0.4 * value;
  const raw = { width: 28, height: 28, channels: 1 } as const;
  await sharp(data, { raw }).toFile(path);
}

describe('evaluate', () => {
  beforeEach(async () => {
    for (const label of [0, 1, 2]) {
      mkdirSync(inFolder('classes', `class ${label}`), { recursive: true });
      for (const n of [1, 2, 3])
        await writePicture(inFolder('classes', `class ${label}`, `${n}.png`), label, n);
    }
  });
  const evaluate = (...flags: string[]) =>
    run('evaluate', inFolder('model'), '--data', inFolder('classes'), ...flags);

  test('class by class, as the confusion has it', async () => {
    await saveModel(3);
    const { confusion, report, accuracy, images } = JSON.parse(await evaluate('--json', '-'));
    expect([images, report.samples]).toEqual([9, 9]);
    const right = (label: number) => confusion[label * 4];
    const predicted = (label: number) => confusion[label] + confusion[3 + label] + confusion[6 + label];
    const shown = [0, 1, 2].map((label) => {
      const precision = predicted(label) === 0 ? 0 : right(label) / predicted(label);
      const f1 = (2 * right(label)) / (predicted(label) + 3);
      expect(report.perClass[label]).toEqual({ precision, recall: right(label) / 3, f1, support: 3 });
      const cells = [precision, right(label) / 3, f1].map((share) => `${(100 * share).toFixed(1)} %`);
      return [`class ${label}`, ...cells, '3'].join(' ');
    });
    const lines = (await evaluate()).trimEnd().split('\n');
    expect(lines[0]).toContain(`test accuracy ${(100 * accuracy).toFixed(1)} %`);
    expect(lines[1]).toMatch(/^macro F1 [\d.]+ %, calibration error [\d.]+ %$/); // top-5 of three classes tells nothing
    expect(lines.slice(3).map((line) => line.replace(/ +/g, ' '))).toEqual([
      'class precision recall F1 images',
      ...shown,
    ]);
  });

  test('of many classes the best five, and no table', async () => {
    await saveModel(31);
    const lines = (await evaluate()).trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/^top-5 [\d.]+ %, macro F1/);
    expect(lines[2]).toContain('31 classes: --json');
    expect(JSON.parse(await evaluate('--json', '-')).report.perClass).toHaveLength(31);
  });

  test('--embeddings compares them among themselves', async () => {
    await saveModel(3);
    using model = await Model.load(inFolder('model'), { device: 'cpu' });
    const embeddings = await model.embed(inFolder('classes'));
    const { angles, ...expected } = await embeddingReport(embeddings, 'aaabbbccc'.split(''), {
      device: 'cpu',
    });
    const { ownCentreMean, nearestOtherCentreMean } = angles!;
    const found = JSON.parse(await evaluate('--embeddings', '--json', '-')).embeddings;
    expect(found).toEqual({ ...expected, angles: { ownCentreMean, nearestOtherCentreMean } });
    const text = await evaluate('--embeddings');
    expect(text).toContain(`embeddings: nearest centroid ${(100 * expected.nearestCentroid).toFixed(1)} %`);
    expect(text).toContain(`mAP@R ${(100 * expected.mapAtR!).toFixed(1)} %`);
    expect(text).toContain(`own class centre ${ownCentreMean.toFixed(1)}°`);
  });
});

describe('verify --pairs', () => {
  const PEOPLE = 8;
  beforeEach(async () => {
    await saveModel(3);
    for (let person = 0; person < PEOPLE; person++) {
      const name = `P${person}`;
      mkdirSync(inFolder('lfw', name), { recursive: true });
      for (const n of [1, 2]) await writePicture(inFolder('lfw', name, `${name}_000${n}.jpg`), person, n);
    }
  });
  const verify = (...flags: string[]) =>
    run('verify', inFolder('model'), inFolder('lfw'), '--pairs', inFolder('pairs.txt'), ...flags);

  /** `folds` of so many pairs of either kind */
  function writePairs(folds: number, each: number) {
    const lines = Array.from({ length: folds }, (_, fold) =>
      [0, 1].flatMap((different) =>
        Array.from({ length: each }, (_, pair) => {
          const person = (fold * each + pair) % PEOPLE;
          return different ? `P${person}\t1\tP${(person + 1 + fold) % PEOPLE}\t2` : `P${person}\t1\t2`;
        }),
      ),
    ).flat();
    writeFileSync(inFolder('pairs.txt'), [`${folds}\t${each}`, ...lines, ''].join('\n'));
  }

  test('is what the API makes of the cosines, by given folds', async () => {
    writePairs(2, 4);
    const pairs = await datasets.lfwPairs(inFolder('lfw'), inFolder('pairs.txt'));
    using model = await Model.load(inFolder('model'), { device: 'cpu' });
    const { cosines } = await model.verify(
      pairs.map(({ a }) => a),
      pairs.map(({ b }) => b),
    );
    const isSame = pairs.map(({ same }) => same);
    const found = JSON.parse(await verify('--threshold', '0.5', '--json', '-'));
    expect(found).toMatchObject(JSON.parse(JSON.stringify(verificationScores(cosines, isSame))));
    const folded = verificationAccuracy(cosines, isSame, { folds: pairs.map(({ fold }) => fold) });
    expect(found.folded).toEqual(folded);
    const mean = (folded.folds[0]!.threshold + folded.folds[1]!.threshold) / 2;
    expect(found.threshold).toEqual({ cosine: mean, squaredDistance: 2 - 2 * mean });
    const accepted = (kind: boolean) =>
      cosines.filter((cosine, pair) => isSame[pair] === kind && cosine >= 0.5);
    expect(found.given).toEqual({
      ...{ cosine: 0.5, squaredDistance: 1 },
      ...{ tar: accepted(true).length / 8, far: accepted(false).length / 8 },
    });
    expect(found.pairs[3]).toEqual({ ...pairs[3], cosine: cosines[3] });

    const text = await verify('--threshold', '0.5');
    expect(text).toContain('8 pairs of the same, 8 of different ones\n');
    expect(text).toContain(`AUC ${found.auc.toFixed(4)}, EER ${(100 * found.eer).toFixed(2)} %\n`);
    expect(text).toContain('true accepts at a false accept rate of 10 %: not measurable\n');
    expect(text).toContain('at cosine 0.5000, squared L2 1.0000: true accepts');
    expect(text).toContain(`over 2 folds ${(100 * folded.accuracy).toFixed(2)} % ± `);
    expect(text).toContain(`cosine ${mean.toFixed(4)}, squared L2 ${(2 - 2 * mean).toFixed(4)}\n`);
    expect(text.replaceAll('\n', ' ')).toContain(`${folded.protocol} `);
  });

  test('pairs that are one fold are drawn in ten, where there are as many', async () => {
    writePairs(1, 12);
    expect(await verify()).toMatch(/accuracy over 10 folds .*\n(.*\n)*.*drawn with seed 0/);
    writePairs(1, 9);
    expect(await verify()).toMatch(/\naccuracy over folds needs 10 pairs of either kind\n$/);
  });

  test.each([
    [['model', 'lfw', 'more', '--pairs', 'pairs.txt'], 2, "unexpected argument 'more'"],
    [['model', '--pairs', 'pairs.txt'], 2, 'FOLDER is missing'],
    [['model', 'lfw', '--pairs', 'none.txt'], 2, 'none.txt'],
    [['model', 'lfw', '--pairs=pairs.txt', '--threshold', '2'], 2, 'threshold'],
  ])('%j fails with a reason', async (args, expected, said) => {
    writePairs(1, 1);
    const paths = args.map((word) => (/^(model|lfw|pairs\.txt)$/.test(word) ? inFolder(word) : word));
    const given = paths.map((word) => word.replace('=pairs.txt', `=${inFolder('pairs.txt')}`));
    const { status, stderr } = await margincore(['verify', ...given, ...CPU]);
    expect([status, stderr]).toEqual([expected, expect.stringContaining(said)]);
  });
});
