/** The page's server: for this machine alone, and read-only. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { policy } from '../report/htmlPage.js';
import { watchContent, watchPage } from './page.js';
import { stateOf } from './state.js';
import { COMPARISON, type WatchedRuns } from './watchedRuns.js';

interface Answer {
  readonly status: number;
  readonly type?: 'text/html' | 'text/plain';
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers requests for the page, its content and the comparison's page: nothing else is there. */
export function watchHandler(
  runs: WatchedRuns,
): (request: IncomingMessage, response: ServerResponse) => void {
  const shown = new Shown(runs);
  return (request, response) => {
    answerTo(request, shown, runs.folder)
      .catch((error: Error): Answer => ({ status: 500, body: error.message }))
      .then((answer) => send(response, answer, request.method === 'HEAD'));
  };
}

async function answerTo(
  { method, url = '', headers }: IncomingMessage,
  shown: Shown,
  folder: string,
): Promise<Answer> {
  // A name that leads here without being this machine's is somebody else's page, which may not read this one.
  if (!LOOPBACK.test(headers.host ?? '')) return { status: 403, body: 'Only for this machine' };
  if (method !== 'GET' && method !== 'HEAD')
    return { status: 405, body: 'Only GET and HEAD', headers: { Allow: 'GET, HEAD' } };
  const [path] = url.split('?');
  if (path === `/${COMPARISON}`) return comparison(folder);
  if (path !== '/' && path !== '/content') return NOT_FOUND;
  const { version, content } = await shown.now();
  const fresh = { ETag: version, 'Cache-Control': 'no-cache' };
  if (path === '/') return html(watchPage(folder, content(), version), { 'Cache-Control': 'no-store' });
  if (headers['if-none-match'] === version) return { status: 304, headers: fresh };
  return html(content(), fresh);
}

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;
const NOT_FOUND: Answer = { status: 404, body: 'There is no such page' };

const html = (body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Answer => ({
  ...{ status: 200, type: 'text/html', body, headers },
});

/** The file itself: what a link leads to is not served. */
async function comparison(folder: string): Promise<Answer> {
  const path = join(folder, COMPARISON);
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  if (file === undefined) return NOT_FOUND;
  try {
    const isFile = (await file.stat()).isFile();
    return isFile ? html(await file.readFile(), { 'Content-Security-Policy': policy() }) : NOT_FOUND;
  } finally {
    await file.close();
  }
}

function send(
  response: ServerResponse,
  { status, type = 'text/plain', body = '', headers = {} }: Answer,
  isHead: boolean,
): void {
  response.writeHead(status, {
    ...(status !== 304 && {
      'Content-Type': `${type}; charset=utf-8`,
      'Content-Length': Buffer.byteLength(body),
    }),
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    ...headers,
  });
  response.end(isHead || status === 304 ? undefined : body);
}

/** Drawn once for each state that the runs are in, however many look. */
class Shown {
  #drawn: { readonly version: string; readonly content: string } | undefined;
  /** Of another server at the same address the page has other contents by the same numbers. */
  readonly #begun = process.hrtime.bigint();

  constructor(private readonly runs: WatchedRuns) {}

  async now(): Promise<{ version: string; content: () => string }> {
    await this.runs.refresh();
    const now = Date.now();
    const states = this.runs.runs.map((run) => stateOf(run, now));
    const parts = [this.#begun, this.runs.version, ...states].join();
    const version = `"${createHash('sha256').update(parts).digest('base64url').slice(0, 22)}"`;
    return { version, content: () => this.#content(version, now) };
  }

  #content(version: string, now: number): string {
    if (this.#drawn?.version !== version) this.#drawn = { version, content: watchContent(this.runs, now) };
    return this.#drawn.content;
  }
}
