/** `margincore mistakes` as a process of its own. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { train } from '../../../lib/index.js';
import { idxBytes } from '../../support/idxBytes.js';
import { margincore } from '../../support/margincore.js';
import { sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();

/** A model of a few steps, and its data in a folder. */
async function prepare(withTest = true) {
  const data = await sample(60, 40);
  mkdirSync(inFolder('images'));
  for (const [prefix, { images, labels }] of [
    ['train', data.train],
    ['t10k', data.test!],
  ] as const) {
    if (prefix === 't10k' && !withTest) continue;
    const [N, H, W] = images.shape;
    writeFileSync(inFolder('images', `${prefix}-images-idx3-ubyte`), idxBytes([N, H, W], images.data));
    writeFileSync(inFolder('images', `${prefix}-labels-idx1-ubyte`), idxBytes([N], labels));
  }
  const { model } = await train({ data, model: tinyModel, head: 'arcface', epochs: 1, batchSize: 20 });
  await model.save(inFolder('model.safetensors'));
  return { data, model };
}

const mistakes = (...args: string[]) =>
  margincore([
    ...['mistakes', inFolder('model.safetensors'), '--data', inFolder('images')],
    ...['--device', 'cpu', '--threads', '1', ...args],
  ]);

test('writes the page, and says how many of how many mistakes are on it', async () => {
  const { data, model } = await prepare();
  using used = model;
  const { accuracy } = await used.evaluate(data.test!);
  const wrong = Math.round(40 * (1 - accuracy));
  expect(wrong).toBeGreaterThan(5);
  const page = inFolder('page.html');
  const { status, stdout, stderr } = await mistakes('--top', '5', '--output', page);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const percent = (100 * accuracy).toFixed(1);
  expect(stdout).toBe(`test accuracy ${percent} % of 40 images; 5 of ${wrong} mistakes in ${page}\n`);
  const html = readFileSync(page, 'utf8');
  expect(html.match(/<article /g)).toHaveLength(5);
  expect(html).toContain('<title>Mistakes on images, test images</title>');
});

test('--json - has the same without pictures, --split train is about the training images', async () => {
  const { data, model } = await prepare();
  using used = model;
  const { accuracy } = await used.evaluate(data.train);
  const output = ['--output', inFolder('page.html'), '--json', '-'];
  const { status, stdout } = await mistakes('--split', 'train', '--top', '3', ...output);
  expect(status).toBe(0);
  const { mistakes: shown, ...report } = JSON.parse(stdout);
  expect(report).toMatchObject({ data: 'images', split: 'train', among: 'train', images: 60 });
  expect(report.accuracy).toBeCloseTo(accuracy, 10);
  expect(report).not.toHaveProperty('html');
  expect(shown).toHaveLength(3);
  for (const { sample: number, label, neighbours } of shown) {
    expect(data.train.labels[number]).toBe(label);
    expect(neighbours).toHaveLength(8);
    expect(neighbours.map((each: { sample: number }) => each.sample)).not.toContain(number);
  }
});

test.each([
  [['--top', '0'], 'a whole number of at least 1 for top'],
  [['--top', '2.5'], 'a whole number of at least 1 for top'],
  [['--neighbours', '-1'], 'a whole number of at least 0 for neighbours'],
  [['--split', 'validation'], '--split needs train|test'],
  [['--among', 'others'], '--among needs train|test'],
  [['--output', 'nowhere/page.html'], 'a file that can be written for --output'],
])('%j ends with status 2, and writes nothing', async (args, message) => {
  const { model } = await prepare();
  model.dispose();
  const output = args[0] === '--output' ? [] : ['--output', inFolder('page.html')];
  const { status, stderr } = await mistakes(...output, ...args);
  expect(status).toBe(2);
  expect(stderr).toContain(message);
  expect(existsSync(inFolder('page.html'))).toBe(false);
});

test('--among train looks for neighbours there, where the same number is another image', async () => {
  const { data, model } = await prepare();
  model.dispose();
  const output = ['--output', inFolder('page.html'), '--json', '-'];
  const { stdout } = await mistakes('--among', 'train', '--neighbours', '60', '--top', '2', ...output);
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({ split: 'test', among: 'train', images: 40 });
  for (const { neighbours } of report.mistakes) {
    expect(neighbours).toHaveLength(60);
    for (const { sample: number, label } of neighbours) expect(label).toBe(data.train.labels[number]);
  }
});

test('data without test images is refused', async () => {
  const { model } = await prepare(false);
  model.dispose();
  const { status, stderr } = await mistakes('--output', inFolder('page.html'));
  expect(status).toBe(1);
  expect(stderr).toContain('images has no test images [INVALID_DATA]');
  expect(existsSync(inFolder('page.html'))).toBe(false);
});
