/** Recipes: each is one that `train()` takes, and the running of them. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { checkRecipe } from '../../../lib/experiments/recipe.js';
import { meanAndStd } from '../../../lib/experiments/spread.js';
import { markdownTable } from '../../../lib/experiments/table.js';
import { type Dataset, datasets, type Recipe, recipes, runRecipe, train } from '../../../lib/index.js';
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

describe.each(recipes.map((recipe) => [recipe.name, recipe] as const))('%s', (_, recipe) => {
  test('is taken, and says what it is of', () => {
    expect(checkRecipe(recipe)).toEqual(recipe);
    expect(recipe.name).toMatch(/^[a-z0-9-]+$/);
    expect(recipe.source.length).toBeGreaterThan(20);
  });

  test('two of its rows run', async () => {
    const [H, W, C] = recipe.data.startsWith('CIFAR') ? ([32, 32, 3] as const) : ([28, 28, 1] as const);
    const labels = Int32Array.from({ length: 20 }, (_unused, index) => index % 10);
    const tiny = datasets.fromArrays({
      ...{ images: randomImages(20, [H, W, C]), labels },
      test: { images: randomImages(10, [H, W, C], 2), labels: labels.slice(0, 10) },
    });
    const { rows } = await runRecipe(
      { ...recipe, rows: [recipe.rows[0]!, recipe.rows.at(-1)!] },
      { data: tiny, steps: 1, seeds: 1, device: 'cpu' },
    );
    expect(rows.map(({ accuracy }) => accuracy!.values.length)).toEqual([1, 1]);
  });
});

test('names are unique', () => {
  expect(new Set(recipes.map(({ name }) => name)).size).toBe(recipes.length);
});

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
  expect(readdirSync(folder).filter((name) => !name.endsWith('.json') && !name.startsWith('.'))).toEqual([]);
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
