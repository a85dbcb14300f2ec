/** Comparing heads: the grid, the test beside softmax, what is kept, and the page in a browser. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pairedTest } from '../../../lib/comparison/pairedTest.js';
import { type CompareOptions, compare, type Dataset, type RunDone, runRecipe } from '../../../lib/index.js';
import { inChromium, testInChromium } from '../../support/chromium.js';
import { margincore } from '../../support/margincore.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();
let data: Dataset;
beforeAll(async () => {
  data = await sample(60, 30);
});

const open = inChromium();

const SHARED: CompareOptions = {
  ...{ models: { tiny: tinyModel }, epochs: 2, batchSize: 10, seeds: 2 },
  ...{ device: 'cpu', threads: 1, deterministic: true },
};

test('lists of values are rows, and rows are those of a recipe', async () => {
  const { rows } = await compare({
    ...SHARED,
    data,
    heads: ['softmax', { head: 'arcface', m: [0.1, 0.3], s: 'auto' }],
  });
  expect(rows.map(({ key }) => key)).toEqual([
    { head: 'softmax' },
    { head: 'arcface (m = 0.1, s = auto)' },
    { head: 'arcface (m = 0.3, s = auto)' },
  ]);
  const recipe = await runRecipe(
    {
      ...{ name: 'same', summary: 'same', source: 'same', data: 'same', seeds: 2 },
      shared: { model: tinyModel, epochs: 2, batchSize: 10, deterministic: true },
      rows: [{ key: { m: 0.3 }, options: { head: 'arcface', m: 0.3, s: 'auto' } }],
    },
    { data, device: 'cpu', threads: 1 },
  );
  expect(rows[2]!.accuracy).toEqual(recipe.rows[0]!.accuracy);
  const difference = pairedTest(rows[2]!.accuracy!.values, rows[0]!.accuracy!.values);
  expect(rows[2]!.againstSoftmax).toMatchObject(difference!);
  expect(rows[0]).not.toHaveProperty('againstSoftmax');
  for (const { analysis } of rows) {
    expect(analysis!.epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
    expect(analysis!.embeddings).toMatchObject({ dimensions: 3 });
    expect(analysis!.embeddings.labels).toHaveLength(data.test!.labels.length);
    expect(analysis!.angles!.own.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 3);
    const { shares, mean, first, width } = analysis!.logits;
    const centre = shares.reduce((sum, share, bin) => sum + share * (first + (bin + 0.5) * width), 0);
    expect(Math.abs(centre - mean)).toBeLessThan(width);
    expect(analysis!.weightNorms).toHaveLength(data.numClasses);
    expect(analysis!.weightNorms).toEqual(analysis!.weightNorms.toSorted((a, b) => b - a));
    for (const { label, predicted } of analysis!.hardest!) expect(predicted).not.toBe(label);
  }
});

test('each network has its own softmax beside it; without one, nothing is tested', async () => {
  const models = { one: tinyModel, two: { ...tinyModel, init: 'heNormal' as const } };
  const { rows } = await compare({ ...SHARED, data, models, epochs: 1, heads: ['softmax', 'normface'] });
  expect(rows.map(({ key: { network, head } }) => [network, head])).toEqual([
    ['one', 'softmax'],
    ['one', 'normface'],
    ['two', 'softmax'],
    ['two', 'normface'],
  ]);
  const by = (row: number, base: number) =>
    pairedTest(rows[row]!.accuracy!.values, rows[base]!.accuracy!.values)!.difference;
  expect(rows[3]!.againstSoftmax!.difference).toBeCloseTo(by(3, 2), 12);
  const alone = await compare({
    ...SHARED,
    data,
    epochs: 1,
    heads: ['normface', { head: 'softmax', bias: false }],
  });
  for (const row of alone.rows) expect(row).not.toHaveProperty('againstSoftmax');
});

test('what was stopped goes on, with the same files in the end', async () => {
  const options: CompareOptions = { ...SHARED, data, heads: ['softmax', 'normface'] };
  const files = (folder: string) =>
    ['md', 'csv', 'json', 'html'].map((kind) => readFileSync(join(folder, `comparison.${kind}`), 'utf8'));
  const [whole, stopped] = [inFolder('whole'), inFolder('stopped')];
  await compare({ ...options, folder: whole });
  const stop = new AbortController();
  const aborted = compare({
    ...options,
    ...{ folder: stopped, signal: stop.signal },
    onRun: ({ run }) => run === 3 && stop.abort(new Error('enough')),
  });
  await expect(aborted).rejects.toThrow('enough');
  expect(existsSync(join(stopped, 'comparison.md'))).toBe(false);
  const again: Pick<RunDone, 'run' | 'wasDone'>[] = [];
  await compare({ ...options, folder: stopped, onRun: ({ run, wasDone }) => again.push({ run, wasDone }) });
  expect(again.map(({ wasDone }) => wasDone)).toEqual([true, true, true, false]);
  // But for the seconds that a run took, in its file.
  expect(files(stopped)).toEqual(files(whole));
});

test('side by side, with the same number of threads, runs come to the same', async () => {
  const options: CompareOptions = { ...SHARED, data, heads: ['softmax', 'normface', 'arcface'] };
  const order: number[] = [];
  const together = await compare({ ...options, sideBySide: 3, onRun: ({ run }) => order.push(run) });
  expect(order).toEqual([1, 2, 3, 4, 5, 6]);
  const { rows } = await compare(options);
  expect(together.rows.map(({ accuracy, confusion }) => [accuracy, confusion])).toEqual(
    rows.map(({ accuracy, confusion }) => [accuracy, confusion]),
  );
});

test.each<[string, CompareOptions, string]>([
  ['no heads', { heads: [] }, 'Expected a list of one or more heads for heads'],
  ['a head that there is not', { heads: ['arcfaec' as never] }, "Did you mean 'arcface'?"],
  ['no values', { heads: [{ head: 'arcface', m: [] }] }, 'Expected one or more values for heads[0].m'],
  ['a head twice', { heads: ['softmax', 'softmax'] }, 'another key than that of an earlier row'],
  ['an option of another head', { heads: [{ head: 'softmax', m: 0.5 } as never] }, 'm'],
  ['no networks', { models: {} }, 'Expected one or more networks by name for models'],
  ['a network that is none', { models: { mine: 3 as never } }, 'models.mine'],
  ['an option that there is not', { epoch: 3 } as never, "Did you mean 'epochs'?"],
  ['a checkpoint', { checkpoint: 'runs' } as never, 'checkpoint'],
  ['no seeds', { seeds: 0 }, 'seeds'],
  ['no runs at once', { sideBySide: 0 }, 'sideBySide'],
  ['a search that is no switch', { search: 'yes' as never }, 'search'],
])('%s: refused before anything is read', async (_, options, message) => {
  const error = await refusal(() => compare({ ...options, data: 'nowhere' }));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(message) });
});

test('a command line says the same', async () => {
  const folder = inFolder('command');
  const args = '--heads softmax,arcface:m=0.1/0.3:s=auto --seeds 1 --steps 2 --take 100 --threads 1 --json -';
  const { status, stdout, stderr } = await margincore(['compare', ...args.split(' '), '--folder', folder]);
  expect({ status, runs: stderr.match(/^\d\/3 /gm) }).toEqual({ status: 0, runs: ['1/3 ', '2/3 ', '3/3 '] });
  const { rows } = JSON.parse(stdout);
  expect(rows.map(({ head }: { head: string }) => head)).toEqual([
    'softmax',
    'arcface (m = 0.1, s = auto)',
    'arcface (m = 0.3, s = auto)',
  ]);
  expect(readFileSync(join(folder, 'comparison.html'), 'utf8')).toContain(`npx margincore compare ${args}`);
  const wrong = await margincore(['compare', '--heads', 'softmax,arcfaec']);
  expect(wrong).toMatchObject({ status: 2, stderr: expect.stringContaining('--heads') });
});

describe('the page', () => {
  testInChromium('shows every section, fits a phone, and saves its figures', async () => {
    const folder = inFolder('page');
    const heads: CompareOptions['heads'] = ['softmax', 'normface'];
    await compare({ ...SHARED, data, heads, folder, command: 'npx margincore compare <b>' });
    const address = pathToFileURL(join(folder, 'comparison.html')).href;
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, complaints, requests } = await open(address, {
        colorScheme,
        viewport: { width: 390, height: 800 },
      });
      expect(complaints).toEqual([]);
      expect(requests.filter((each) => !each.startsWith('data:'))).toEqual([address]);
      expect(await page.locator('h2').allTextContents()).toEqual([
        ...['Scores', 'Training', 'Embeddings', 'Angles', 'Logits and class weights', 'Confusion'],
        ...['Hardest images', 'How to repeat it'],
      ]);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
      expect(await page.locator('pre').first().textContent()).toBe('npx margincore compare <b>');
      const broken = await page.evaluate(
        '[...document.images].filter((image) => !(image.complete && image.naturalWidth > 0)).length',
      );
      expect(broken).toBe(0);
    }
    const { page } = await open(address);
    const saved = async (figure: string, kind: string) => {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.click(`#${figure} [data-save=${kind}]`),
      ]);
      return [download.suggestedFilename(), readFileSync(await download.path(), 'utf8')];
    };
    const [svgName, svg] = await saved('training-loss', 'svg');
    expect(svgName).toBe('training-loss.svg');
    expect(svg).toMatch(/^<svg [^>]*style="background:rgb/);
    expect(svg).not.toContain('var(');
    const [csvName, csv] = await saved('scores-accuracy', 'csv');
    expect(csvName).toBe('scores-accuracy.csv');
    expect(csv!.split('\r\n')[0]).toBe('row,run,accuracy');
    expect(csv!.trim().split('\r\n')).toHaveLength(5);
    const place = () => page.getAttribute('#embeddings-1 circle', 'cx');
    const before = await place();
    await page.focus('#embeddings-1 svg');
    await page.keyboard.press('ArrowRight');
    expect(await place()).not.toBe(before);
  });
});
