/**
 * Pictures of the page beside those that somebody has looked at (`pictures/`). Only what charts draw is in them, no text, whose fonts
 * are the machine's. After a change that is meant: UPDATE_PICTURES=1 npx jest dist/test/lib/comparison/pictures, and look at them.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { comparisonPage } from '../../../lib/comparison/page.js';
import { inChromium, testInChromium } from '../../support/chromium.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { DRAWN } from './drawnComparison.js';

const inFolder = temporaryFolder();
const open = inChromium();
const PICTURES = join(packageRoot(), 'test/lib/comparison/pictures');

/** Side of a square of pixels whose mean colour is compared: lines may be smoothed otherwise in another browser. */
const SQUARE = 6;
/** Of 255 in any square. A line of two pixels that is missing makes 40 and more. */
const MOST_APART = 16;

/** All figures in their order, each 300 pixels wide, without text. */
const FIGURES_ALONE = `
  document.body.replaceChildren(...document.querySelectorAll('figure svg'));
  const style = document.createElement('style');
  style.textContent = 'body{margin:0;padding:0;max-width:none;width:1200px;display:grid;grid-template-columns:repeat(4,300px)}'
    + 'svg{display:block;width:300px;height:auto}svg text{display:none}';
  document.head.append(style);`;

async function figuresOf(page: Page): Promise<Buffer> {
  await page.evaluate(FIGURES_ALONE);
  return page.locator('body').screenshot({ animations: 'disabled' });
}

/** The largest difference of any square's mean colour. */
async function apart(one: Buffer | string, other: Buffer | string): Promise<number> {
  const [a, b] = await Promise.all([one, other].map(pixelsOf));
  if (a!.info.width !== b!.info.width || a!.info.height !== b!.info.height) return Number.POSITIVE_INFINITY;
  return a!.data.reduce((most, value, index) => Math.max(most, Math.abs(value - b!.data[index]!)), 0);
}

async function pixelsOf(picture: Buffer | string) {
  const image = sharp(picture).removeAlpha();
  const { width, height } = await sharp(picture).metadata();
  const size = { width: Math.floor(width! / SQUARE), height: Math.floor(height! / SQUARE) };
  return image
    .resize({ ...size, fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer({ resolveWithObject: true });
}

for (const colorScheme of ['light', 'dark'] as const) {
  testInChromium(`figures are those that were looked at: ${colorScheme}`, async () => {
    const path = inFolder('page.html');
    writeFileSync(path, await comparisonPage(DRAWN));
    const seen = () =>
      open(pathToFileURL(path).href, { colorScheme, viewport: { width: 1240, height: 900 } });
    const { page, complaints } = await seen();
    const drawn = await figuresOf(page);
    expect(complaints).toEqual([]);
    const known = join(PICTURES, `${colorScheme}.png`);
    if (process.env.UPDATE_PICTURES === '1') {
      mkdirSync(PICTURES, { recursive: true });
      writeFileSync(known, await sharp(drawn).png({ palette: true, colours: 64 }).toBuffer());
    }
    expect(await apart(drawn, known)).toBeLessThan(MOST_APART);

    // One line less, or other colours, are seen.
    const { page: changed } = await seen();
    const line = '#training-loss path[fill="none"][stroke="var(--c1)"]';
    await changed.evaluate(`document.querySelector('${line}').remove()`);
    expect(await apart(await figuresOf(changed), known)).toBeGreaterThan(MOST_APART);
    const other = join(PICTURES, `${colorScheme === 'light' ? 'dark' : 'light'}.png`);
    expect(await apart(known, other)).toBeGreaterThan(MOST_APART);
  });
}
