/** The page's server, and the page in a browser while a run goes on. */
import { appendFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type RequestOptions, request } from 'node:http';
import { networkInterfaces } from 'node:os';
import { type Watch, watchRuns } from '../../../lib/index.js';
import { inChromium, testInChromium } from '../../support/chromium.js';
import { margincore, start } from '../../support/margincore.js';
import { refusal } from '../../support/refusal.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { writeLog } from '../logs/sampleLog.js';
import { addEvent, eventFile } from './eventFiles.js';

const inFolder = temporaryFolder();

const watches: Watch[] = [];
afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.close();
});

async function watch(): Promise<Watch> {
  const begun = await watchRuns(inFolder('.'), { port: 0 });
  watches.push(begun);
  return begun;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** As it is written: `fetch` would tidy a path up. */
const ask = (url: string, path: string, options: RequestOptions = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { port } = new URL(url);
    request({ host: '127.0.0.1', port, path, agent: false, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    })
      .on('error', reject)
      .end();
  });

test('what there is, and nothing else', async () => {
  await writeLog(inFolder('log'));
  const { url } = await watch();
  const page = await ask(url, '/');
  expect(page).toMatchObject({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' } });
  expect(page.body).toContain("connect-src 'self'");
  expect((await ask(url, '/content')).body).toContain('87.5 %');
  for (const path of [
    ...[
      '/log',
      '/log/epochs.csv',
      '/../',
      '/..%2f..%2fetc/passwd',
      '/content/../../etc/passwd',
      '//etc/passwd',
    ],
    ...[
      '/comparison.html',
      '/comparison.html/../log/epochs.csv',
      '/log/comparison.html',
      '/%00',
      'http://[/',
    ],
  ]) {
    expect([path, (await ask(url, path)).status]).toEqual([path, 404]);
  }
});

test('only GET and HEAD', async () => {
  const { url } = await watch();
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    expect(await ask(url, '/', { method })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
  }
  const head = await ask(url, '/content', { method: 'HEAD' });
  const get = await ask(url, '/content');
  expect([head.status, head.body]).toEqual([200, '']);
  expect(head.headers['content-length']).toBe(String(Buffer.byteLength(get.body)));
});

test.each([
  ['localhost', 200],
  ['LOCALHOST:80', 200],
  ['127.0.0.1:6161', 200],
  ['[::1]:6161', 200],
  ['example.com', 403],
  ['localhost.example.com', 403],
  ['127.0.0.1.example.com:6161', 403],
  ['127.0.0.2', 403],
])('asked by the name %o: %d', async (host, status) => {
  const { url } = await watch();
  expect((await ask(url, '/', { headers: { host } })).status).toBe(status);
});

test('unchanged content is not sent again', async () => {
  await writeLog(inFolder('log'));
  const { url } = await watch();
  const { etag } = (await ask(url, '/content')).headers;
  const again = () => ask(url, '/content', { headers: { 'if-none-match': etag as string } });
  expect(await again()).toMatchObject({ status: 304, body: '', headers: { etag } });
  addEvent(inFolder('log', eventFile(2_000_000_000)), 5, { 'step/loss': 1 });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const other = await again();
  expect(other.status).toBe(200);
  expect(other.headers.etag).not.toBe(etag);
});

test('this machine alone reaches it', async () => {
  const { port } = new URL((await watch()).url);
  const others = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4');
  for (const { address } of others) {
    await expect(ask(`http://x:${port}/`, '/', { host: address })).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
  }
});

test('a comparison that lies there has a link; what a link of the file system leads to is not served', async () => {
  writeFileSync(inFolder('secret'), 'secret');
  symlinkSync(inFolder('secret'), inFolder('comparison.html'));
  const { url } = await watch();
  expect((await ask(url, '/')).body).not.toContain('comparison.html');
  expect((await ask(url, '/comparison.html')).status).toBe(404);
  mkdirSync(inFolder('other'));
  writeFileSync(inFolder('other', 'comparison.html'), '<p>compared</p>');
  const other = await watchRuns(inFolder('other'), { port: 0 });
  watches.push(other);
  expect((await ask(other.url, '/')).body).toContain('<a href="comparison.html">');
  const report = await ask(other.url, '/comparison.html');
  expect(report).toMatchObject({ status: 200, body: '<p>compared</p>' });
  expect(report.headers['content-security-policy']).not.toContain('connect-src');
});

test('names of runs and tags are texts', async () => {
  addEvent(inFolder('<b>', eventFile()), 1, { '<img src=x onerror=alert(1)>': 1, '</script><b>"': 2 });
  const { url } = await watch();
  const { body } = await ask(url, '/content');
  expect(body).not.toMatch(/<b>"|<img|<\/script><b>|<i [^>]*><\/i><b>/);
  expect(body).toContain('&#60;b&#62;');
});

test('a file that is corrupt has a warning, and its run is there up to then', async () => {
  const path = inFolder('run', eventFile());
  addEvent(path, 7, { 'step/loss': 0.5 });
  appendFileSync(path, Buffer.alloc(20, 1));
  const { url } = await watch();
  const { body } = await ask(url, '/content');
  expect(body).toContain('<td>7</td>');
  expect(body).toMatch(
    /<p class="fault">\S+ is corrupt at byte \d+: the checksum of the length of a record differs[^<]*\[FILE_CORRUPT\]</,
  );
});

test('whatever time an event has', async () => {
  for (const [index, time] of [Number.NaN, 1e300, -1e300, 0].entries()) {
    addEvent(inFolder(`run${index}`, eventFile()), 1, { a: 1 }, time);
  }
  const { url } = await watch();
  expect((await ask(url, '/content')).body.match(/a time that is none/g)).not.toHaveLength(0);
});

test('refusals', async () => {
  const missing = inFolder('missing');
  expect(await refusal(() => watchRuns(missing))).toMatchObject({
    code: 'FILE_NOT_FOUND',
    details: { path: missing },
  });
  writeFileSync(inFolder('file'), '');
  expect(await refusal(() => watchRuns(inFolder('file')))).toMatchObject({ code: 'FILE_NOT_FOUND' });
  for (const port of [-1, 65_536, 1.5, '80']) {
    expect(await refusal(() => watchRuns(inFolder('.'), { port: port as number }))).toMatchObject({
      ...{ code: 'INVALID_OPTION', details: { option: 'port' } },
    });
  }
  expect(await refusal(() => watchRuns(inFolder('.'), { prot: 1 } as never))).toMatchObject({
    message: expect.stringContaining("Did you mean 'port'?"),
  });
  const command = await margincore(['watch', missing]);
  expect(command).toMatchObject({ status: 2, stderr: expect.stringContaining(`${missing} does not exist`) });
  expect(await margincore(['watch'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('DIR is missing'),
  });
  expect(await refusal(() => watchRuns(3 as never))).toMatchObject({ code: 'INVALID_OPTION' });
});

test('a port that is taken is refused; by default it is the next', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  expect(await refusal(() => watchRuns(inFolder('.'), { port }))).toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining('a port that is free for port'),
  });
  taken.close();
  const [first, second] = [await watchRuns(inFolder('.')), await watchRuns(inFolder('.'))];
  watches.push(first, second);
  const [one, two] = [first, second].map((each) => Number(new URL(each.url).port));
  expect(one).toBeGreaterThanOrEqual(6161);
  expect(two).toBeGreaterThan(one!);
  await first.close();
  await expect(ask(first.url, '/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test.each(['SIGINT', 'SIGTERM'] as const)('the command says where, and ends well by %s', async (signal) => {
  const { process: child, finished } = start(['watch', inFolder('.'), '--port', '0']);
  const url = await new Promise<string>((resolve) =>
    child.stdout!.on('data', (text: Buffer) => {
      const [found] = /http:\S+/.exec(String(text)) ?? [];
      if (found !== undefined) resolve(found);
    }),
  );
  expect((await ask(url, '/')).body).toContain('No runs yet');
  child.kill(signal);
  expect(await finished).toMatchObject({ status: 0, stderr: '' });
});

describe('the page', () => {
  const open = inChromium();

  testInChromium('follows a run that grows, and stays where one looks', async () => {
    const { url } = await watch();
    const { page, complaints, requests } = await open(url, { viewport: { width: 390, height: 700 } });
    expect(await page.locator('main').textContent()).toContain('No runs yet');
    const path = inFolder('run', eventFile());
    const step = (number: number) =>
      addEvent(path, number, { 'step/loss': 1 / number, 'step/accuracy': number / 100, mine: number });
    for (const number of [1, 2, 3]) step(number);
    await page.waitForSelector('#training-loss');
    expect(await page.locator('th').allTextContents()).toEqual([
      ...['run', 'state', 'step', 'epoch', 'loss', 'accuracy', 'test accuracy', 'images/s', 'last event'],
    ]);
    const cells = () => page.locator('tbody td').allTextContents();
    expect((await cells()).slice(0, 5)).toEqual(['run', 'running', '3', '–', '0.3333']);
    expect((await cells()).at(-1)).toMatch(/^\d+ s ago$/);
    expect(await page.locator('figure b').allTextContents()).toEqual([
      ...['Training loss, with the margin', 'Training accuracy, without margin', 'mine'],
    ]);
    await page.focus('#tag-1 [data-save=csv]');
    await page.evaluate(
      'scrollTo(0, 600); document.querySelector(".wide").scrollLeft = 50; window.kept = document.activeElement',
    );
    const before = await page.evaluate(
      '[scrollY, document.querySelector("#training-loss path:last-of-type").outerHTML]',
    );
    step(4);
    await page.locator('tbody td', { hasText: /^4$/ }).waitFor();
    const after = await page.evaluate(
      '[scrollY, document.querySelector("#training-loss path:last-of-type").outerHTML]',
    );
    expect((after as unknown[])[0]).toBe((before as unknown[])[0]);
    expect(
      await page.evaluate(
        '[window.kept === document.activeElement, kept.isConnected, document.querySelector(".wide").scrollLeft]',
      ),
    ).toEqual([true, true, 50]);
    const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
    expect(download.suggestedFilename()).toBe('tag-1.csv');
    for (const epoch of [1, 2])
      addEvent(path, 2 + 2 * epoch, { 'epoch/loss': 1 / epoch, 'epoch/accuracy': 0.5 });
    await page.waitForSelector('#training-loss svg[aria-label*="by epoch"]');
    expect((await cells()).slice(2, 6)).toEqual(['6', '2', '0.5', '50.0 %']);
    await writeLog(inFolder('another'));
    await page.waitForSelector('#weight-norm');
    expect(await page.locator('h2').allTextContents()).toEqual([
      'Training',
      'Angles',
      'Norms',
      'Other values',
    ]);
    expect(await page.locator('.state').allTextContents()).toEqual(['running', 'ended']);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
    const addresses = new Set(
      requests.filter((each) => !each.startsWith('data:') && !each.startsWith('blob:')),
    );
    expect([...addresses]).toEqual([url, `${url}content`]);
    expect(complaints).toEqual([]);
  });

  testInChromium('says when there is no answer, and goes on when there is one again', async () => {
    addEvent(inFolder('run', eventFile()), 1, { 'step/loss': 1 }, Date.now() / 1000 - 3700);
    const { url, close } = await watch();
    const { page } = await open(url);
    expect(await page.locator('.state').textContent()).toBe('silent for 1 h');
    await close();
    await page.locator('#connection', { hasText: 'no answer' }).waitFor();
    watches.push(await watchRuns(inFolder('.'), { port: Number(new URL(url).port) }));
    await page.locator('#connection:empty').waitFor({ state: 'attached' });
  });
});
