/** The gallery server as a program, over a real socket. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { Gallery, Model } from '../../lib/index.js';
import { randomImages, randomModel } from '../support/randomModel.js';
import { refusal } from '../support/refusal.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { tinyModel } from '../support/tinyModel.js';

const inFolder = temporaryFolder();
let server: ChildProcess;
let url: string;

async function start(): Promise<void> {
  const program = join(packageRoot(), 'dist', 'examples', 'server', 'main.js');
  server = spawn(process.execPath, [program, inFolder('model'), inFolder('gallery'), '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface(server.stdout!), 'line');
  url = /^http:\/\/[\d.:]+/.exec(line)![0];
}

async function stop(): Promise<void> {
  server.kill('SIGTERM');
  const [status] = await once(server, 'exit');
  expect(status).toBe(0);
}

beforeEach(async () => {
  using model = await randomModel(tinyModel, [28, 28, 1], { head: 'arcface' });
  await model.save(inFolder('model'));
  await start();
});
afterEach(() => {
  server.kill('SIGKILL');
});

const picture = (seed: number) => {
  const raw = { width: 28, height: 28, channels: 1 } as const;
  return sharp(randomImages(1, [28, 28, 1], seed).data, { raw })
    .png()
    .toBuffer();
};

async function call(method: string, path: string, body?: Uint8Array) {
  const request = { method, ...(body && { body: new Uint8Array(body) }) };
  const response = await fetch(url + path, request);
  return { status: response.status, answer: JSON.parse(await response.text()) };
}

test('who was enrolled is identified, also by the next process', async () => {
  expect(await call('GET', '/names')).toEqual({
    status: 200,
    answer: { names: [], embeddings: 0, threshold: -1 },
  });
  expect(await call('POST', '/identify', await picture(1))).toEqual({ status: 200, answer: { matches: [] } });
  expect(await call('POST', '/names/Ada%20L.', await picture(1))).toEqual({
    status: 200,
    answer: { name: 'Ada L.', count: 1 },
  });
  // Many at once.
  const seeds = [2, 3, 4, 5, 6, 7];
  const enrolled = await Promise.all(
    seeds.map(async (seed) => call('POST', `/names/n${seed}`, await picture(seed))),
  );
  expect(enrolled.map(({ status }) => status)).toEqual(seeds.map(() => 200));

  await stop();
  await start();
  using model = await Model.load(inFolder('model'), { device: 'cpu' });
  using gallery = await Gallery.load(inFolder('gallery'), { model, device: 'cpu' });
  const [expected] = await gallery.identify(await picture(1), { top: 3 });
  expect(expected!.matches[0]!.name).toBe('Ada L.');
  const found = await call('POST', '/identify?top=3', await picture(1));
  expect(found).toEqual({ status: 200, answer: { matches: expected!.matches } });

  expect(await call('DELETE', '/names/Ada%20L.')).toEqual({ status: 200, answer: { removed: 1 } });
  const after = await call('POST', '/identify?top=9', await picture(1));
  expect(after.answer.matches.map(({ name }: { name: string }) => name).sort()).toEqual(
    seeds.map((seed) => `n${seed}`),
  );
  await stop();
});

test('as long as it runs nobody else changes its gallery', async () => {
  const { code } = await refusal(async () => {
    using model = await Model.load(inFolder('model'), { device: 'cpu' });
    return Gallery.open(inFolder('gallery'), { model, device: 'cpu' });
  });
  expect(code).toBe('FILE_IN_USE');
});

test('what cannot be answered says why', async () => {
  const answers = [
    [await call('POST', '/identify', Buffer.from('no picture')), 400, 'decoded'],
    [await call('POST', '/identify'), 400, 'picture'],
    [await call('POST', '/identify?top=none', await picture(1)), 400, 'top'],
    [await call('POST', '/identify?threshhold=0.5', await picture(1)), 400, 'threshold'],
    [await call('POST', '/names/', await picture(1)), 400, 'name'],
    [await call('POST', '/names/%ff', await picture(1)), 400, 'URI'],
    [await call('DELETE', '/names/nobody'), 404, 'nobody'],
    [await call('GET', '/'), 404, 'GET /'],
    [await call('GET', '//'), 404, 'GET //'],
    [await call('POST', '/names/Ada/more', await picture(1)), 404, 'Ada/more'],
    [await call('POST', '/identify?threshold=', await picture(1)), 400, 'threshold'],
    [await call('DELETE', '/names/__proto__'), 404, '__proto__'],
    [await call('POST', '/names/Big', new Uint8Array(17 * 2 ** 20)), 413, 'bytes'],
  ] as const;
  for (const [{ status, answer }, expected, said] of answers) {
    expect([status, answer.error]).toEqual([expected, expect.stringContaining(said)]);
  }
  expect((await call('GET', '/names')).answer.names).toEqual([]);
});
