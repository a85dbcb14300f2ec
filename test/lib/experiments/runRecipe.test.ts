/** The running of recipes: rows, seeds, scores, what is kept. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { meanAndStd } from '../../../lib/experiments/spread.js';
import { markdownTable } from '../../../lib/experiments/table.js';
import {
  allPairs,
  type Dataset,
  datasets,
  Model,
  type Recipe,
  recipes,
  runRecipe,
  train,
} from '../../../lib/index.js';
import { verificationScores } from '../../../lib/metrics/verificationScores.js';
import { margincore } from '../../support/margincore.js';
import { randomImages } from '../../support/randomModel.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();
let data: Dataset;
beforeAll(async () => {
  data = await sample(60, 30);
});

const RECIPE: Recipe = {
  name: 'tiny',
  summary: 'margins',
  source: 'nobody',
  data: 'images',
  seeds: 2,
  shared: { model: tinyModel, epochs: 1, batchSize: 10, device: 'cpu', deterministic: true },
  rows: [
    { key: { head: 'softmax', m: 0 }, options: { head: 'softmax' } },
    { key: { head: 'arcface', m: 0.3 }, options: { head: 'arcface', m: 0.3, s: 'auto' } },
  ],
};

test('each row is trained with each seed, as train() would', async () => {
  const seen: string[] = [];
  const result = await runRecipe(RECIPE, {
    data,
    onRun: ({ key, seed, run, runs }) => seen.push(`${run}/${runs} ${key.head} ${seed}`),
  });
  expect(seen).toEqual(['1/4 softmax 1', '2/4 arcface 1', '3/4 softmax 2', '4/4 arcface 2']);
  for (const [index, row] of RECIPE.rows.entries()) {
    const alone = await Promise.all(
      [1, 2].map(async (seed) => {
        const { model, test } = await train({
          ...RECIPE.shared,
          ...row.options,
          seed,
          data,
          progress: false,
        } as never);
        model.dispose();
        return test!.accuracy;
      }),
    );
    expect(result.rows[index]!.accuracy).toEqual(meanAndStd(alone));
  }
  const { rows } = await runRecipe(RECIPE, { data, seeds: 1, steps: 2 });
  const short = await train({
    ...RECIPE.shared,
    epochs: undefined,
    steps: 2,
    seed: 1,
    data,
    progress: false,
  } as never);
  short.model.dispose();
  expect(rows[0]!.accuracy).toEqual({ mean: short.test!.accuracy, std: 0, values: [short.test!.accuracy] });
});

test('what was stopped goes on, in the middle of a run too, and what is done is not done again', async () => {
  const whole = await runRecipe(RECIPE, { data });
  const controller = new AbortController();
  const folder = inFolder('runs');
  const stopped = runRecipe(RECIPE, {
    data,
    folder,
    signal: controller.signal,
    onRun: ({ run }) => (run === 3 ? controller.abort(new Error('enough')) : undefined),
  });
  await expect(stopped).rejects.toThrow('enough');
  expect(readdirSync(folder).filter((name) => name.endsWith('.json'))).toHaveLength(3);
  const before: boolean[] = [];
  const rest = await runRecipe(RECIPE, { data, folder, onRun: ({ wasDone }) => before.push(wasDone) });
  expect(before).toEqual([true, true, true, false]);
  expect(rest).toEqual(whole);
  // No checkpoint is left, and each run has its log.
  expect(readdirSync(folder).filter((name) => !name.endsWith('.json') && !name.startsWith('.'))).toEqual([
    'logs',
  ]);
  const runs = readdirSync(folder).filter((name) => name.endsWith('.json'));
  expect(readdirSync(join(folder, 'logs')).map((name) => `${name}.json`)).toEqual(runs);
});

test("another recipe's folder, another length and other data are refused", async () => {
  const folder = inFolder('runs');
  await runRecipe(RECIPE, { data, folder, seeds: 1 });
  const others: [Recipe, object][] = [
    [RECIPE, { data, epochs: 2 }],
    [RECIPE, { data: await sample(60, 20) }],
    [{ ...RECIPE, shared: { ...RECIPE.shared, batchSize: 11 } }, { data }],
    [RECIPE, { data: withOtherPixel(data, 'train') }],
    [RECIPE, { data: withOtherPixel(data, 'test') }],
  ];
  const said = [
    'epochs: 1 there, 2 now',
    'test images',
    'batchSize: 10 there, 11 now',
    'training',
    'test images',
  ];
  for (const [index, [recipe, options]] of others.entries()) {
    const error = await refusal(() => runRecipe(recipe, { ...options, folder, seeds: 1 }));
    expect(error).toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringContaining(said[index]!),
    });
  }
  // The same in other words.
  const { epochs, ...shared } = RECIPE.shared;
  const reworded = { ...RECIPE, shared: { learningRate: 1e-3, ...shared, epochs: epochs!, threads: 1 } };
  await runRecipe(reworded, { data: { ...data, name: 'renamed' }, folder, seeds: 1 });
  const { test: _, ...withoutTest } = data;
  expect(await refusal(() => runRecipe(RECIPE, { data: withoutTest }))).toMatchObject({
    code: 'INVALID_DATA',
  });
});

function withOtherPixel(of: Dataset, part: 'train' | 'test'): Dataset {
  const split = of[part]!;
  const pixels = split.images.data.slice();
  pixels[300]! ^= 1;
  return { ...of, [part]: { ...split, images: { ...split.images, data: pixels } } };
}

test.each(['{', 'null', '[]', '{"identity":{}}', '{"identity":{},"outcome":{"accuracy":"1","loss":0}}'])(
  'a file of what is done that has %s in it is refused by its name',
  async (text) => {
    const folder = inFolder('runs');
    await runRecipe(RECIPE, { data, folder, seeds: 1, steps: 1 });
    const [name] = readdirSync(folder).filter((each) => each.endsWith('.json'));
    writeFileSync(inFolder('runs', name!), text);
    const error = await refusal(() => runRecipe(RECIPE, { data, folder, seeds: 1, steps: 1 }));
    expect(error).toMatchObject({ code: 'FILE_CORRUPT', message: expect.stringContaining(name!) });
  },
);

test('keys of any characters have files of their own', async () => {
  const [softmax, arcface] = RECIPE.rows.map(({ options }) => options);
  const keys = ['a/b', 'a-b', '../..', 'x'.repeat(400), `${'x'.repeat(400)}y`, 'a|b', '1'].map((k) => ({
    k,
  }));
  const rows = [...keys, { k: 1 }].map((key, index) => ({ key, options: index % 2 ? arcface! : softmax! }));
  const folder = inFolder('runs');
  const options = { data, folder, seeds: 1, steps: 1 };
  const result = await runRecipe({ ...RECIPE, rows }, options);
  expect(readdirSync(folder).filter((name) => name.endsWith('.json'))).toHaveLength(rows.length);
  const again: boolean[] = [];
  await runRecipe({ ...RECIPE, rows }, { ...options, onRun: ({ wasDone }) => again.push(wasDone) });
  expect(again).toEqual(rows.map(() => true));
  expect(markdownTable(result)).toContain('| a\\|b |');
});

test.each<[object, string]>([
  [{ seeds: 0 }, 'seeds'],
  [{ seeds: '3' }, 'seeds'],
  [{ epoch: 3 }, "Did you mean 'epochs'?"],
  [{ epochs: 1, steps: 1 }, 'steps'],
  [{ threads: 0 }, 'threads'],
  [{ folder: '' }, 'folder'],
  [{ onRun: true }, 'onRun'],
  [{ signal: {} }, 'signal'],
])('%j is refused before anything is done', async (given, said) => {
  const folder = inFolder('runs');
  const error = await refusal(() => runRecipe(RECIPE, { data, folder, ...given } as never));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(said) });
  expect(existsSync(folder)).toBe(false);
});

test('a folder that cannot be made is FILE_NOT_WRITTEN', async () => {
  writeFileSync(inFolder('file'), '');
  const error = await refusal(() => runRecipe(RECIPE, { data, folder: inFolder('file', 'runs') }));
  expect(error).toMatchObject({ code: 'FILE_NOT_WRITTEN' });
});

test('onRun is waited for, and what it throws ends the recipe, which goes on later', async () => {
  const options = { data, folder: inFolder('runs'), seeds: 1, steps: 1 };
  const onRun = async () => {
    await Promise.resolve();
    throw new Error('enough');
  };
  await expect(runRecipe(RECIPE, { ...options, onRun })).rejects.toThrow('enough');
  const before: boolean[] = [];
  await runRecipe(RECIPE, { ...options, onRun: ({ wasDone }) => before.push(wasDone) });
  expect(before).toEqual([true, false]);
});

test('a signal ends it between runs that are done', async () => {
  const options = { data, folder: inFolder('runs'), seeds: 1, steps: 1 };
  await runRecipe(RECIPE, options);
  const controller = new AbortController();
  const onRun = () => controller.abort(new Error('enough'));
  await expect(runRecipe(RECIPE, { ...options, onRun, signal: controller.signal })).rejects.toThrow('enough');
});

test.each<[string, unknown, string]>([
  ['a name that is a path', { ...RECIPE, name: '../up' }, 'kebab-case'],
  ['a seed', { ...RECIPE, shared: { ...RECIPE.shared, seed: 3 } }, 'shared.seed'],
  [
    'a callback',
    { ...RECIPE, rows: [{ key: { a: 1 }, options: { head: 'softmax', onEpoch() {} } }] },
    'options.onEpoch',
  ],
  ['a function', { ...RECIPE, shared: { ...RECIPE.shared, learningRate: () => 1 } }, 'shared.learningRate'],
  ['a key that is not finite', { ...RECIPE, rows: [{ key: { m: NaN }, options: {} }] }, 'key.m'],
  ['no rows', { ...RECIPE, rows: [] }, 'rows'],
  ['an option that there is not', { ...RECIPE, shared: { epoch: 3 } }, "Did you mean 'epochs'?"],
  [
    'a head that there is not',
    { ...RECIPE, rows: [{ key: { a: 1 }, options: { head: 'arcfaec' } }] },
    'arcface',
  ],
  [
    'rows with other columns',
    { ...RECIPE, rows: [RECIPE.rows[0], { key: { n: 1 }, options: {} }] },
    'head, m',
  ],
  ['two rows of one key', { ...RECIPE, rows: [RECIPE.rows[0], RECIPE.rows[0]] }, 'another key'],
  ['a key that is no number', { ...RECIPE, rows: [{ key: { m: null }, options: {} }] }, 'key.m'],
  ['no source', { ...RECIPE, source: undefined }, 'source'],
  ['a text', 'l2-softmax-mnist', 'recipe'],
])('a recipe with %s is refused', async (_, recipe, said) => {
  expect(await refusal(() => runRecipe(recipe as Recipe, { data }))).toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining(said),
  });
});

test('mean and standard deviation', () => {
  expect(meanAndStd([2, 4, 4, 4, 5, 5, 7, 9])).toMatchObject({ mean: 5, std: Math.sqrt(32 / 7) });
  expect(meanAndStd([3])).toEqual({ mean: 3, std: 0, values: [3] });
});

test('a table has the columns of its keys, and what all rows have', () => {
  const spread = meanAndStd([0.9, 0.92]);
  const result = {
    ...{ recipe: 'r', data: 'd', seeds: 2, classNames: ['a', 'b'] },
    rows: [
      { key: { m: 1 }, accuracy: spread, ownCentre: meanAndStd([20, 22]) },
      { key: { m: 2 }, accuracy: spread },
    ],
  };
  expect(markdownTable(result)).toBe(
    '| m | test accuracy % |\n|---|---|\n| 1 | 91.00 ± 1.41 |\n| 2 | 91.00 ± 1.41 |',
  );
});

test('unseen classes are verified by all their pairs, and never trained on', async () => {
  const labels = Int32Array.from({ length: 60 }, (_, index) => index % 12);
  const images = randomImages(60, [12, 12, 1], 3);
  const given = datasets.fromArrays({ images, labels });
  const scored = { ...RECIPE, test: { type: 'unseenClasses', count: 4 } } as const;
  const folder = inFolder('runs');
  const { rows, classNames } = await runRecipe(scored, {
    ...{ data: given, seeds: 1, folder, saveModels: true },
  });
  expect(classNames).toHaveLength(8);
  const saved = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  expect(saved).toHaveLength(2);
  const model = await Model.load(join(folder, saved.find((name) => name.includes('arcface'))!), {
    device: 'cpu',
  });
  expect(model.classNames).toHaveLength(8);
  const unseen = [...labels.keys()].filter((index) => labels[index]! >= 8);
  const data = Uint8Array.from(
    unseen.flatMap((index) => [...images.data.subarray(index * 144, (index + 1) * 144)]),
  );
  const embeddings = await model.embed({ data, shape: [unseen.length, 12, 12, 1] });
  const { cosines, isSame } = await allPairs(
    embeddings,
    unseen.map((index) => labels[index]!),
    { device: 'cpu' },
  );
  const { eer, auc, tarAtFar, different } = verificationScores(cosines, isSame);
  expect(different).toBe((4 * 3 * 5 * 5) / 2);
  expect(rows[1]).toMatchObject({
    ...{ eer: { mean: eer }, auc: { mean: auc } },
    ...{ 'tarAtFar0.1': { mean: tarAtFar[0]!.tar }, 'tarAtFar0.01': { mean: tarAtFar[1]!.tar } },
  });
  expect(rows[1]!['tarAtFar0.001']).toBeUndefined();
  model.dispose();
  expect(
    await refusal(() =>
      runRecipe({ ...scored, test: { type: 'unseenClasses', count: 11 } }, { data: given }),
    ),
  ).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('unseen') });
});

test('a run that diverges is said, and the others go on', async () => {
  const rows = [
    { key: { rate: 1e38 }, options: { optimizer: 'sgd', learningRate: 1e38 } },
    { key: { rate: 1e-3 }, options: { learningRate: 1e-3 } },
  ] as const;
  const folder = inFolder('runs');
  const result = await runRecipe({ ...RECIPE, rows }, { data, folder });
  expect(result.rows[0]).toEqual({ key: { rate: 1e38 }, diverged: [1, 2] });
  expect(result.rows[1]!.accuracy!.values).toHaveLength(2);
  expect(markdownTable(result)).toContain('| 1e+38 | – (diverged: seeds 1, 2) |');
  const again: boolean[] = [];
  expect(
    await runRecipe({ ...RECIPE, rows }, { data, folder, onRun: ({ wasDone }) => again.push(wasDone) }),
  ).toEqual(result);
  expect(again).toEqual([true, true, true, true]);
});

test('confusions are those of all seeds together', async () => {
  const { rows } = await runRecipe(RECIPE, { data });
  const { confusion, accuracy } = rows[0]!;
  const right = confusion!.reduce((sum, row, label) => sum + row[label]!, 0);
  expect(confusion!.flat().reduce((sum, count) => sum + count, 0)).toBe(60);
  expect(right / 60).toBeCloseTo(accuracy!.mean, 12);
  expect(confusion!.map((row) => row.reduce((sum, count) => sum + count, 0))).toEqual(
    Array.from(
      { length: 10 },
      (_, label) => 2 * [...data.test!.labels].filter((each) => each === label).length,
    ),
  );
});

test('models that are wanted and not there are trained again; nowhere to keep them is refused', async () => {
  const folder = inFolder('runs');
  const first = await runRecipe(RECIPE, { data, folder, seeds: 1 });
  const done: boolean[] = [];
  const onRun = ({ wasDone }: { wasDone: boolean }) => done.push(wasDone);
  expect(await runRecipe(RECIPE, { data, folder, seeds: 1, saveModels: true, onRun })).toEqual(first);
  await runRecipe(RECIPE, { data, folder, seeds: 1, saveModels: true, onRun });
  expect(done).toEqual([false, false, true, true]);
  expect(await refusal(() => runRecipe(RECIPE, { data, saveModels: true }))).toMatchObject({
    code: 'INVALID_OPTION',
  });
});

test('pairs that are none are refused', async () => {
  const scored = { ...RECIPE, test: { type: 'pairs' } } as const;
  for (const pairs of [undefined, []]) {
    expect(await refusal(() => runRecipe(scored, { data, ...(pairs && { pairs }) }))).toMatchObject({
      code: 'INVALID_DATA',
    });
  }
  for (const pairs of [[{ a: 'x' }], 'pairs.txt', [null]]) {
    expect(await refusal(() => runRecipe(scored, { data, pairs: pairs as never }))).toMatchObject({
      code: 'INVALID_OPTION',
    });
  }
});

describe('on the command line', () => {
  test('list, show and run', async () => {
    const { stdout } = await margincore(['recipe', 'list']);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')[0]),
    ).toEqual(recipes.map(({ name }) => name));
    expect((await margincore(['recipe', 'show', 'l2-softmax-mnist'])).stdout).toContain(
      '"featureDropout":0.75',
    );
    const {
      status,
      stdout: json,
      stderr,
    } = await margincore([
      ...['recipe', 'run', 'l2-softmax-mnist', '--seeds', '1', '--steps', '1', '--device', 'cpu'],
      ...['--folder', inFolder('runs'), '--markdown', inFolder('table.md'), '--json', '-'],
    ]);
    expect(status).toBe(0);
    expect(stderr.trimEnd().split('\n')).toHaveLength(8);
    expect(JSON.parse(json).rows[0]).toMatchObject({
      alpha: 0,
      accuracy: { values: [expect.any(Number)] },
    });
    expect(readFileSync(inFolder('table.md'), 'utf8')).toContain('| alpha | l2Scope |');
    expect(existsSync(inFolder('runs'))).toBe(true);
  });

  test("a recipe of one's own is a module", async () => {
    const mine = { ...RECIPE, seeds: 1, shared: { epochs: 1, batchSize: 100, device: 'cpu' } };
    writeFileSync(inFolder('mine.mjs'), `export default ${JSON.stringify(mine)}`);
    const { status, stdout } = await margincore([
      ...['recipe', 'run', inFolder('mine.mjs'), '--folder', inFolder('runs'), '--steps', '1'],
    ]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/\| arcface \| 0.3 \| \d/);
  });

  test.each([
    ['throw new Error("broken")', 'broken'],
    ['export const recipe = 1', 'no default export'],
    ['export default () => 1', 'function'],
  ])('a module of %s is a usage error that names it', async (text, said) => {
    const path = inFolder('mine.mjs');
    writeFileSync(path, text);
    const { status, stderr } = await margincore(['recipe', 'show', path]);
    expect([status, stderr]).toEqual([2, expect.stringContaining(said)]);
    expect(stderr).toContain('mine.mjs');
  });

  test.each([
    [['recipe'], 'list, show, run'],
    [['recipe', 'rnu'], "Did you mean 'run'?"],
    [['recipe', 'run', 'l2-softmax-mnits'], "Did you mean 'l2-softmax-mnist'?"],
    [['recipe', 'run'], 'NAME is missing'],
    [['recipe', 'show', 'lib'], 'lib is no module'],
    [['recipe', 'run', 'l2-softmax-mnist', '--epochs', '1', '--steps', '1'], 'steps'],
  ])('%j is a usage error', async (args, said) => {
    const { status, stderr } = await margincore(args);
    expect([status, stderr]).toEqual([2, expect.stringContaining(said)]);
  });
});
