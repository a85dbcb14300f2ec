/** The page of examples/browser in a browser: what it shows of a drawing is what the model says of it in Node. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Page } from 'playwright-core';
import { buildSite } from '../../examples/browser/buildSite.js';
import { serve } from '../../examples/browser/serve.js';
import type { Site } from '../../examples/browser/site.js';
import type { Model } from '../../lib/index.js';
import { inChromium, testInChromium } from '../support/chromium.js';
import { nodeProgram } from '../support/nodeProgram.js';
import { sample } from '../support/sample.js';

const open = inChromium();
const folder = mkdtempSync(join(tmpdir(), 'margincore-browser-'));
const SIDE = 28;

let model: Model;
let site: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  model = await buildSite(await sample(600, 100), folder, { epochs: 2 });
  site = await serve(folder, 0);
});

afterAll(async () => {
  await site?.close();
  model?.dispose();
  rmSync(folder, { recursive: true });
});

const loaded = (page: Page) => page.getByText('Nothing leaves your machine').waitFor();

/** With the mouse, through places that are parts of the canvas's sides. */
async function drawStroke(page: Page, places: readonly (readonly [x: number, y: number])[]): Promise<void> {
  const { x, y, width, height } = (await page.locator('#drawing').boundingBox())!;
  for (const [index, [right, down]] of places.entries()) {
    await page.mouse.move(x + right * width, y + down * height, { steps: 5 });
    if (index === 0) await page.mouse.down();
  }
  await page.mouse.up();
}

interface Shown {
  readonly pixels: readonly number[];
  readonly probabilities: readonly number[];
  readonly embedding: readonly number[];
  readonly mark: string | null;
}

/** What stands on the page once it has followed the last stroke. */
async function shown(page: Page): Promise<Shown> {
  let last = '';
  for (;;) {
    const now = JSON.stringify(await page.evaluate(read));
    if (now === last) return JSON.parse(now) as Shown;
    last = now;
    await page.waitForTimeout(200);
  }
}

/** In the page, where what this file imports is not. */
const read = `(() => {
  const seen = document.getElementById('seen');
  const copy = new OffscreenCanvas(seen.width, seen.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(seen, 0, 0);
  const { data } = copy.getImageData(0, 0, seen.width, seen.height);
  const here = document.getElementById('here');
  return {
    pixels: Array.from(data).filter((_, at) => at % 4 === 0),
    probabilities: Array.from(document.querySelectorAll('#classes li'), (item) => Number(item.dataset.probability)),
    embedding: (here.dataset.embedding ?? '').split(' ').map(Number),
    mark: here.getAttribute('visibility') === 'hidden' ? null : here.getAttribute('transform'),
  };
})()`;

async function expectAnswerOfModel({ pixels, probabilities, embedding }: Shown): Promise<void> {
  const images = { data: Uint8Array.from(pixels), shape: [1, SIDE, SIDE, 1] as const };
  const predicted = await model.predict(images);
  const embedded = await model.embed(images, { normalize: false });
  expect(probabilities).toHaveLength(10);
  expect(probabilities.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
  const distance = (found: readonly number[], expected: Float32Array) =>
    Math.max(...found.map((value, index) => Math.abs(value - expected[index]!)));
  expect(distance(probabilities, predicted.probabilities)).toBeLessThan(1e-4);
  expect(embedding).toHaveLength(2);
  expect(distance(embedding, embedded.data)).toBeLessThan(1e-4);
}

testInChromium('strokes become probabilities and a moving point, which are the model’s', async () => {
  const { page, complaints, requests } = await open(site.url);
  await loaded(page);
  expect((await shown(page)).mark).toBeNull();

  await drawStroke(page, [
    [0.3, 0.2],
    [0.3, 0.8],
    [0.7, 0.8],
    [0.7, 0.2],
    [0.3, 0.2],
  ]);
  const first = await shown(page);
  // The outline is filled: a picture of clothing is an area.
  expect(first.pixels.filter((value) => value > 0).length).toBeGreaterThan(SIDE ** 2 / 2);
  await expectAnswerOfModel(first);

  await drawStroke(page, [
    [0.3, 0.25],
    [0.05, 0.5],
  ]);
  await drawStroke(page, [
    [0.7, 0.25],
    [0.95, 0.5],
  ]);
  const second = await shown(page);
  expect(second.pixels).not.toEqual(first.pixels);
  expect(second.mark).toMatch(/^translate\([\d.]+ [\d.]+\)$/);
  expect(second.mark).not.toBe(first.mark);
  await expectAnswerOfModel(second);
  const best = second.probabilities.indexOf(Math.max(...second.probabilities));
  expect(await page.locator('#answer').textContent()).toContain(`${model.classNames[best]}, `);

  await page.getByRole('button', { name: 'Clear' }).click();
  const cleared = await shown(page);
  expect(cleared.pixels.every((value) => value === 0)).toBe(true);
  expect(cleared.mark).toBeNull();

  expect(complaints).toEqual([]);
  expect(requests.map((url) => new URL(url).origin)).toEqual(requests.map(() => new URL(site.url).origin));
  expect(requests.map((url) => new URL(url).pathname)).toContain('/model.onnx');
});

testInChromium('on a phone, with a finger, in the dark: it fits the screen', async () => {
  const { page, complaints } = await open(site.url, {
    ...{ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: 'dark' },
  });
  await loaded(page);
  const { x, y, width, height } = (await page.locator('#drawing').boundingBox())!;
  await page.touchscreen.tap(x + width / 2, y + height / 2);
  const tapped = await shown(page);
  expect(tapped.pixels.some((value) => value > 0)).toBe(true);
  await expectAnswerOfModel(tapped);
  const sizes = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]');
  expect(sizes).toEqual([360, 360]);
  expect(complaints).toEqual([]);
});

test('the server answers for the files of its folder alone', async () => {
  for (const [path, status] of [
    ['', 200],
    ['main.js', 200],
    ['nothing', 404],
  ] as const) {
    expect([path, (await fetch(site.url + path)).status]).toEqual([path, status]);
  }
  // As it is written: fetch would take the dots away.
  const [outside] = await once(get(site.url, { path: `/../${basename(folder)}/index.html` }), 'response');
  expect(outside.resume().statusCode).toBe(404);
  expect((await fetch(site.url, { method: 'POST' })).status).toBe(405);
  expect((await fetch(site.url)).headers.get('content-security-policy')).toContain("default-src 'none'");
});

test('the program trains, writes the folder, and serves it until Ctrl-C', async () => {
  const answers: Promise<Site>[] = [];
  const args = ['--epochs', '1', '--port', '0', '--output', join(folder, 'again')];
  const program = `process.argv.push(...${JSON.stringify(args)}); require('./dist/examples/browser/main.js')`;
  const { signal, stderr } = await nodeProgram(program, {
    onLine: (line, kill) => {
      const url = /^Open (http:\S+)/.exec(line)?.[1];
      if (url === undefined) return;
      answers.push(fetch(`${url}site.json`).then((response) => response.json() as Promise<Site>));
      answers[0]!.finally(() => kill('SIGINT'));
    },
  });
  expect(answers).toHaveLength(1);
  const written = await answers[0]!;
  expect(written).toMatchObject({ dataName: 'fashion-mnist-sample', size: [28, 28] });
  expect(written.points).toHaveLength(2 * written.labels.length);
  expect(signal).toBe('SIGINT');
  expect(stderr).not.toContain('rror');
});
