/** Pages in the Chromium of this machine, without a window. Nothing is downloaded. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { testWhere } from './skip.js';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const executable = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin']
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find((path) => existsSync(path));

/** What keeps a browser from talking to anybody of its own accord. */
const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A test that needs Chromium; with REQUIRE_CHROMIUM=1 it fails where there is none. */
export const testInChromium = testWhere(
  executable !== undefined || process.env.REQUIRE_CHROMIUM === '1',
  `no Chromium: none of ${NAMES.join(', ')} in PATH`,
);

/** As a page is seen: what it said, and where it went. */
export interface Seen {
  readonly page: Page;
  /** Errors and warnings of its console, and what nothing caught */
  readonly complaints: string[];
  /** Addresses, in their order */
  readonly requests: string[];
}

/** Beside a compiler on every core a browser takes minutes for what are seconds otherwise. */
const PATIENCE = 240_000;

/** One for the tests of the calling file. Returns what opens a page in it, with a profile of its own. */
export function inChromium(): (url: string, options?: BrowserContextOptions) => Promise<Seen> {
  let browser: Browser | undefined;
  jest.setTimeout(PATIENCE);
  afterAll(() => browser?.close());
  return async (url, options = {}) => {
    if (executable === undefined)
      throw new Error(`There is no Chromium: none of ${NAMES.join(', ')} in PATH`);
    browser ??= await chromium.launch({ executablePath: executable, args: FLAGS, timeout: PATIENCE });
    const context = await browser.newContext(options);
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    const seen: Seen = { page, complaints: [], requests: [] };
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) seen.complaints.push(message.text());
    });
    page.on('pageerror', (error) => seen.complaints.push(String(error)));
    page.on('requestfailed', (request) =>
      seen.complaints.push(`${request.url()} failed: ${request.failure()?.errorText}`),
    );
    page.on('request', (request) => seen.requests.push(request.url()));
    await page.goto(url);
    return seen;
  };
}
