/** Successive halving: which rows are left, how that came, and what decides. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CANDIDATES } from '../../../lib/comparison/candidates.js';
import { gridRows } from '../../../lib/comparison/grid.js';
import {
  type CompareOptions,
  compare,
  type Dataset,
  datasets,
  type HeadChoice,
  type SearchDecision,
} from '../../../lib/index.js';
import { resolveTrainOptions } from '../../../lib/training/options.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();
let data: Dataset;
beforeAll(async () => {
  data = await sample(400, 50);
});

const SHARED: CompareOptions = {
  ...{ models: { tiny: tinyModel }, epochs: 9, batchSize: 10, seeds: 1 },
  ...{ optimizer: 'sgd', learningRate: 0.01, device: 'cpu', threads: 1, deterministic: true, search: true },
};

/** Of which only one can learn, by SGD: logits of a scale of a thousandth have gradients that are as small. */
const HEADS: readonly HeadChoice[] = ['softmax', { head: 'normface', s: [0.001, 0.002, 16, 0.003] }];

test('a third goes on for three times as long, until one is left; what has one candidate is not searched', async () => {
  const told: SearchDecision[] = [];
  const { rows, search } = await compare({
    ...{ ...SHARED, data, heads: HEADS },
    onDecision: (decision) => told.push(decision),
  });
  expect(rows.map(({ key }) => key.head)).toEqual(['softmax', 'normface (s = 16)']);
  expect(search).toEqual(told);
  // Four candidates, then two, then one. A whole run is nine epochs of what is not held out: a tenth of each class.
  const perClass = new Array<number>(10).fill(0);
  for (const label of data.train.labels) perClass[label]! += 1;
  const epoch = Math.ceil((400 - perClass.reduce((sum, count) => sum + Math.floor(count / 10), 0)) / 10);
  const found = search!.map(({ round, key, steps, isKept }) => [round, key.head, steps, isKept]);
  expect(found.slice(0, 4).map(([round, , steps]) => [round, steps])).toEqual(Array(4).fill([1, epoch]));
  expect(found.slice(4).map(([round, , steps]) => [round, steps])).toEqual(Array(2).fill([2, 3 * epoch]));
  expect(found.filter(([, , , isKept]) => isKept).map(([round]) => round)).toEqual([1, 1, 2]);
  expect(found.at(-1)).toEqual([2, expect.any(String), 3 * epoch, expect.any(Boolean)]);
  for (const round of [1, 2]) {
    const best = search!
      .filter((each) => each.round === round)
      .toSorted((a, b) => b.accuracy! - a.accuracy!)[0]!;
    expect(best.key.head).toBe('normface (s = 16)');
    expect(best.accuracy).toBeGreaterThan(0.2);
  }
});

test('test images decide nothing: with all of their labels wrong the search comes to the same', async () => {
  const { test: tested } = data;
  const wrong = Int32Array.from(tested!.labels, (label) => (label + 1) % data.numClasses);
  const other = { ...data, test: { ...tested!, labels: wrong } };
  const searchOf = async (input: Dataset) =>
    (await compare({ ...SHARED, data: input, heads: HEADS, epochs: 3 })).search;
  expect(await searchOf(other)).toEqual(await searchOf(data));
});

test('a search that was stopped goes on, and every decision is kept', async () => {
  const folder = inFolder('search');
  const stop = new AbortController();
  const options: CompareOptions = { ...SHARED, data, heads: HEADS, folder, epochs: 3 };
  const stopped = compare({
    ...{ ...options, signal: stop.signal },
    onDecision: ({ round }) => round === 2 && stop.abort(new Error('enough')),
  });
  await expect(stopped).rejects.toThrow('enough');
  expect(existsSync(join(folder, 'comparison.search.csv'))).toBe(false);
  // Times of epochs are in there: had a run been done again, they would be others.
  const runs = () => {
    const names = readdirSync(join(folder, 'search-1')).filter((each) => each.endsWith('.json'));
    return names.map((each) => readFileSync(join(folder, 'search-1', each), 'utf8'));
  };
  const kept = runs();
  expect(kept).toHaveLength(4);
  const { search } = await compare(options);
  expect(runs()).toEqual(kept);
  const lines = readFileSync(join(folder, 'comparison.search.csv'), 'utf8').trim().split('\r\n');
  expect(lines[0]).toBe('round,head,steps,accuracy,kept');
  expect(lines).toHaveLength(1 + search!.length);
  expect(JSON.parse(readFileSync(join(folder, 'comparison.json'), 'utf8')).search).toEqual(search);
  expect(readFileSync(join(folder, 'comparison.md'), 'utf8')).toContain('successive halving');
  expect(readFileSync(join(folder, 'comparison.html'), 'utf8')).toContain('<h2>Search</h2>');
});

test('of too few images nothing can be held out; where there is nothing to search, nothing has to be', async () => {
  const few = datasets.subset(data, { takePerClass: 9 });
  const options: CompareOptions = { ...SHARED, data: few, epochs: 1 };
  expect(await refusal(() => compare({ ...options, heads: HEADS }))).toMatchObject({
    code: 'INVALID_DATA',
    message: expect.stringContaining('search: expected a class of 10 or more training images'),
  });
  const { search, rows } = await compare({ ...options, heads: ['softmax'] });
  expect([search, rows.length]).toEqual([[], 1]);
});

test('every head by its name alone has candidates that train() takes', () => {
  for (const head of Object.keys(CANDIDATES) as (keyof typeof CANDIDATES)[]) {
    const rows = gridRows([head], { tiny: tinyModel }, true);
    for (const { options } of rows) expect(() => resolveTrainOptions(options)).not.toThrow();
    const count = Object.values(CANDIDATES[head]).reduce((product, values) => product * values.length, 1);
    expect(rows).toHaveLength(count);
    expect(gridRows([head], { tiny: tinyModel })).toHaveLength(1);
  }
});
