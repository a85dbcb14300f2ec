/** The contact sheet: which samples, in which order, with which pictures and neighbours; and the page in a browser. */
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { allOf } from '../../../lib/data/samples.js';
import type { ImageArray, Model, Split } from '../../../lib/index.js';
import { type ContactSheetOptions, contactSheet } from '../../../lib/report/contactSheet/contactSheet.js';
import { neighboursOf } from '../../../lib/report/contactSheet/neighbours.js';
import { inChromium, testInChromium } from '../../support/chromium.js';
import { randomImages, randomModel } from '../../support/randomModel.js';
import { refusal } from '../../support/refusal.js';
import { first, sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();
const open = inChromium();

let split: Split;
let training: Split;
let model: Model;

beforeAll(async () => {
  const data = await sample(200, 120);
  [split, training] = [data.test!, data.train];
  model = await randomModel(tinyModel, [28, 28, 1], { head: 'arcface' }, 10);
});

afterAll(() => model.dispose());

/** A search that compares everything with everything, in fp64. */
function nearest(queries: Float32Array, rows: Float32Array, size: number, top: number) {
  const found = { rows: [] as number[], cosines: [] as number[] };
  for (let query = 0; query < queries.length; query += size) {
    const cosines = Array.from({ length: rows.length / size }, (_, row) => {
      let [dot, a, b] = [0, 0, 0];
      for (let axis = 0; axis < size; axis++) {
        const [x, y] = [queries[query + axis]!, rows[row * size + axis]!];
        dot += x * y;
        a += x * x;
        b += y * y;
      }
      return dot / Math.sqrt(a * b);
    });
    const order = [...cosines.keys()].sort((a, b) => cosines[b]! - cosines[a]! || a - b).slice(0, top);
    found.rows.push(...order);
    found.cosines.push(...order.map((row) => cosines[row]!));
  }
  return { rows: Int32Array.from(found.rows), cosines: Float32Array.from(found.cosines) };
}

const sheetOf = (of: Split, options: ContactSheetOptions = {}) => contactSheet(model, of, options);

/** What a reader sees of each article, in the page's order. */
function articlesOf(html: string) {
  return html
    .split('<article')
    .slice(1)
    .map((text) => {
      const sources = Array.from(text.matchAll(/src="data:image\/png;base64,([^"]+)"/g), ([, code]) => code!);
      return {
        text,
        sample: Number(/data-sample="(\d+)"/.exec(text)![1]),
        pictures: sources.map((code) => Buffer.from(code, 'base64')),
      };
    });
}

async function pixelsOf(picture: Buffer) {
  const { height, width, channels } = await sharp(picture).metadata();
  const space = channels === 1 ? 'b-w' : 'srgb'; // grey would be decoded to three equal channels
  const data = new Uint8Array(await sharp(picture).toColourspace(space).raw().toBuffer());
  return { data, size: [height, width, channels] };
}

test('the most confident mistakes, as plain sums over the predictions say', async () => {
  const { probabilities, cosines } = await model.predict(split.images);
  const expected = Array.from(split.labels, (label, number) => {
    const row = Array.from(probabilities.subarray(10 * number, 10 * number + 10));
    const predicted = row.reduce((best, value, index) => (value > row[best]! ? index : best), 0);
    return { number, label, predicted, row, lead: row[predicted]! - row[label]! };
  })
    .filter(({ label, predicted }) => label !== predicted)
    .sort((a, b) => b.lead - a.lead);
  expect(expected.length).toBeGreaterThan(30);

  const { mistakes, mistakeCount, accuracy, images, confusedPairs } = await sheetOf(split, { top: 20 });
  expect({ images, mistakeCount }).toEqual({ images: 120, mistakeCount: expected.length });
  expect(accuracy).toBeCloseTo((await model.evaluate(split)).accuracy, 10);
  expect(mistakes.map(({ sample }) => sample)).toEqual(expected.slice(0, 20).map(({ number }) => number));
  for (const [place, mistake] of mistakes.entries()) {
    const { number, label, predicted, row } = expected[place]!;
    expect(mistake).toMatchObject({ label, predicted, labelProbability: row[label] });
    expect(mistake.predictedProbability).toBe(row[predicted]);
    expect(mistake.labelCosine).toBe(cosines![10 * number + label]);
    expect(mistake.predictedCosine).toBe(cosines![10 * number + predicted]);
  }
  const { confusion } = await model.evaluate(split, { confusion: true });
  expect(confusedPairs.reduce((sum, { count }) => sum + count, 0)).toBe(expected.length);
  for (const { label, predicted, count } of confusedPairs) {
    expect(count).toBe(confusion![10 * label + predicted]);
  }
});

const clamped = ({ images: { data, shape }, labels }: Split) => ({
  images: { data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.length), shape },
  labels,
});

describe.each([
  ['the split itself', () => split, undefined],
  ['the training images', () => training, () => training],
  ['the split itself, given once more, in another view', () => split, () => clamped(split)],
])('neighbours among %s', (_, searched, among) => {
  test('are the nearest by cosine, and never the sample itself', async () => {
    const options = { top: 15, neighbours: 5, ...(among && { among: among() }) };
    const { mistakes, html } = await sheetOf(split, options);
    const queries = (await model.embed(split.images)).data;
    const rows = (await model.embed(searched().images)).data;
    for (const { sample, neighbours } of mistakes) {
      const all = nearest(queries.subarray(16 * sample, 16 * sample + 16), rows, 16, 6);
      const expected = Array.from(all.rows, (row, index) => ({ row, cosine: all.cosines[index]! }))
        .filter(({ row }) => searched() !== split || row !== sample)
        .slice(0, 5);
      expect(neighbours).toHaveLength(5);
      for (const [place, neighbour] of neighbours.entries()) {
        expect(neighbour.cosine).toBeCloseTo(expected[place]!.cosine, 5);
        expect(neighbour.label).toBe(searched().labels[neighbour.sample]);
        expect(neighbour.sample).toBe(expected[place]!.row);
      }
    }
    const [shown] = articlesOf(html);
    expect(shown!.pictures).toHaveLength(6);
    const [, second] = shown!.pictures;
    const number = mistakes[0]!.neighbours[0]!.sample;
    const { data } = await pixelsOf(second!);
    expect(data).toEqual(new Uint8Array(searched().images.data.subarray(784 * number, 784 * (number + 1))));
  });
});

test('no more neighbours than there are, and none where none are asked for', async () => {
  const few = first(split, 4);
  for (const { neighbours } of (await sheetOf(few, { neighbours: 50 })).mistakes) {
    expect(neighbours).toHaveLength(3);
  }
  const { mistakes, html } = await sheetOf(few, { neighbours: 0 });
  expect(mistakes.every(({ neighbours }) => neighbours.length === 0)).toBe(true);
  expect(html).not.toContain('<li class');
});

test('of embeddings without a direction there are no neighbours; of more doubles than fit, any but itself', async () => {
  // 0 and 3 are nothing; 1, 2, 4, 5 are alike.
  const rows = [0, 0, 1, 2, 1, 2, 0, 0, 2, 4, 1, 2, -3, 1];
  const embed = async ({ shape, data }: ImageArray) => ({
    data: Float32Array.from(Array.from(data).flatMap((number) => rows.slice(2 * number, 2 * number + 2))),
    shape: [shape[0], 2],
  });
  const images: ImageArray = { data: Uint8Array.of(0, 1, 2, 3, 4, 5, 6), shape: [7, 1, 1, 1] };
  const all = allOf({ images, labels: Int32Array.of(5, 4, 3, 2, 1, 0, 6) });
  const asked = { ...all, numbers: Int32Array.of(5, 0, 6) };
  const options = {
    model: { embed } as unknown as Model,
    count: 2,
    isSameSplit: true,
    device: 'cpu',
  } as const;
  const [double, nothing, other] = await neighboursOf(asked, all, options);
  expect(double!.map(({ sample, label }) => [sample, label])).toEqual([
    [1, 4],
    [2, 3],
  ]);
  expect(nothing).toEqual([]);
  expect(other!.map(({ sample }) => sample)).toEqual([1, 2]);
  expect(other![0]!.cosine).toBeCloseTo(-1 / Math.sqrt(50), 6);
  const few = { ...options, count: 10 };
  expect((await neighboursOf(asked, all, few)).map(({ length }) => length)).toEqual([4, 0, 4]);
  // In another split the same number is another sample.
  const [ofOther] = await neighboursOf(asked, all, { ...few, isSameSplit: false });
  expect(ofOther!.map(({ sample }) => sample)).toEqual([1, 2, 4, 5, 6]);
});

describe('pictures', () => {
  test.each([
    ['grey', 1, 20, 12],
    ['RGB', 3, 9, 16],
    ['RGB with alpha', 4, 8, 8],
  ])('%s: PNGs of the very pixels', async (_, channels, height, width) => {
    using other = await randomModel(tinyModel, [height, width, channels], { head: 'softmax' }, 4);
    const images = randomImages(12, [height, width, channels]);
    const labels = Int32Array.from({ length: 12 }, (_, index) => index % 4);
    const { html, mistakes } = await contactSheet(other, { images, labels }, { neighbours: 0 });
    const articles = articlesOf(html);
    expect(articles.map(({ sample }) => sample)).toEqual(mistakes.map(({ sample }) => sample));
    expect(articles.length).toBeGreaterThan(3);
    for (const { sample: number, pictures } of articles) {
      const size = height * width * channels;
      const pixels = images.data.subarray(number * size, (number + 1) * size);
      expect(await pixelsOf(pictures[0]!)).toEqual({ data: pixels, size: [height, width, channels] });
    }
  });

  test('large ones are reduced', async () => {
    using other = await randomModel(tinyModel, [300, 150, 3], { head: 'softmax' }, 4);
    const images = randomImages(6, [300, 150, 3]);
    const labels = Int32Array.of(0, 1, 2, 3, 0, 1);
    const { html } = await contactSheet(other, { images, labels }, { neighbours: 0 });
    expect((await pixelsOf(articlesOf(html)[0]!.pictures[0]!)).size).toEqual([128, 64, 3]);
  });

  test('of two channels there are none', async () => {
    using other = await randomModel(tinyModel, [28, 28, 2], { head: 'softmax' }, 4);
    const images = randomImages(2, [28, 28, 2]);
    const { code } = await refusal(() => contactSheet(other, { images, labels: [0, 1] }));
    expect(code).toBe('UNSUPPORTED');
  });
});

/** Named so that markup would come of it. */
async function markupModel(): Promise<Model> {
  const named = await randomModel(tinyModel, [28, 28, 1], { head: 'arcface' }, 10);
  const names = ['<script>document.title="ran"</script>', '"><img src=x onerror=alert(1)>', "it's & that"];
  const shown = Array.from({ length: 10 }, (_, index) => names[index] ?? `class ${index}`);
  Object.defineProperty(named, 'classNames', { value: shown });
  return named;
}

test('names and title are text, whatever is in them', async () => {
  using named = await markupModel();
  const { html } = await contactSheet(named, split, { top: 200, title: '</title><script>' });
  expect(html).not.toContain('<script>document');
  expect(html).not.toContain('<img src=x');
  expect(html).not.toContain('</title><script>');
  expect(html).toContain('&#60;script&#62;document.title=&#34;ran&#34;&#60;/script&#62;');
  expect(html.match(/<script>/g)).toHaveLength(1);
});

/** The same images, labelled as the model has them: there is nothing to be wrong about. */
async function withoutMistakes(): Promise<Split> {
  return { images: split.images, labels: (await model.predict(split.images)).labels };
}

test('without a mistake the page says so', async () => {
  const { mistakes, mistakeCount, accuracy, confusedPairs, html } = await sheetOf(await withoutMistakes());
  expect({ mistakes, mistakeCount, accuracy, confusedPairs }).toEqual({
    ...{ mistakes: [], mistakeCount: 0, accuracy: 1, confusedPairs: [] },
  });
  expect(html).toContain('100.0 % of 120 images are right: there is no mistake.');
});

test.each<[string, unknown, string]>([
  ['top', { top: 0 }, 'a whole number of at least 1 for top'],
  ['neighbours', { neighbours: -1 }, 'a whole number of at least 0 for neighbours'],
  ['neighbors', { neighbors: 3 }, "Did you mean 'neighbours'?"],
  ['title', { title: '' }, 'a text for title'],
  ['device', { device: 'gpu' }, "'auto', 'cpu', 'cuda' or 'cuda:<number>' for device"],
  ['signal', { signal: 5 }, 'an AbortSignal for signal'],
  ['among', { among: 5 }, 'an object of images, labels for among'],
])('%s that is wrong is refused', async (_, options, message) => {
  const error = await refusal(() => sheetOf(split, options as never));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain(message);
});

test('images of another size and labels out of range are refused', async () => {
  const small = { images: randomImages(2, [14, 14, 1]), labels: [0, 1] };
  expect((await refusal(() => contactSheet(model, small))).code).toBe('SHAPE_MISMATCH');
  expect((await refusal(() => contactSheet(model, split, { among: small }))).code).toBe('SHAPE_MISMATCH');
  const unknown = { images: split.images, labels: split.labels.map((label) => label + 1) };
  expect((await refusal(() => contactSheet(model, unknown))).code).toBe('INVALID_DATA');
});

test('an abort ends it with its reason', async () => {
  const reason = new Error('enough');
  await expect(sheetOf(split, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

describe('in a browser, from a file', () => {
  const pageOf = async (html: string, options = {}) => {
    writeFileSync(inFolder('page.html'), html);
    return open(pathToFileURL(inFolder('page.html')).href, options);
  };

  testInChromium('it shows its pictures, filters and sorts, and asks for nothing', async () => {
    using named = await markupModel();
    const { html, mistakes } = await contactSheet(named, split, { top: 30, title: 'Mistakes & more' });
    const { page, complaints, requests } = await pageOf(html);
    expect(await page.title()).toBe('Mistakes & more');
    const shown = () =>
      page.evaluate(
        "Array.from(document.querySelectorAll('article:not([hidden])'), (each) => Number(each.dataset.sample))",
      );
    expect(await shown()).toEqual(mistakes.map(({ sample }) => sample));
    const broken = await page.evaluate(
      'Array.from(document.images).filter((image) => !image.complete || image.naturalWidth !== 28).length',
    );
    expect(broken).toBe(0);

    const { label } = mistakes[3]!;
    await page.locator('select[name=label]').selectOption(String(label));
    const ofLabel = mistakes.filter((mistake) => mistake.label === label).map(({ sample }) => sample);
    expect(await shown()).toEqual(ofLabel);
    await page.locator('select[name=order]').selectOption('sample');
    expect(await shown()).toEqual(ofLabel.toSorted((a, b) => a - b));
    await page.locator('select[name=label]').selectOption('');
    await page.locator('select[name=order]').selectOption('agreeing');
    const agreeing = (mistake: (typeof mistakes)[number]) =>
      mistake.neighbours.filter((neighbour) => neighbour.label === mistake.label).length;
    expect(await shown()).toEqual(
      mistakes.toSorted((a, b) => agreeing(a) - agreeing(b)).map(({ sample }) => sample),
    );

    expect(complaints).toEqual([]);
    expect(requests.filter((url) => !url.startsWith('data:'))).toHaveLength(1);
  });

  testInChromium('it fits a phone, with and without mistakes', async () => {
    for (const of of [split, await withoutMistakes()]) {
      const { html } = await sheetOf(of, { top: 10 });
      const { page, complaints } = await pageOf(html, {
        viewport: { width: 360, height: 740 },
        isMobile: true,
      });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
      expect(complaints).toEqual([]);
    }
  });
});
