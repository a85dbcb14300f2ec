/** A folder's files over HTTP, to this machine alone. */
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.onnx': 'application/octet-stream',
  '.wasm': 'application/wasm',
};

const HEADERS = {
  // The browser itself refuses whatever is not of this server.
  'content-security-policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; img-src data:",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache',
};

/**
 * @param port 0 takes a free one.
 * @returns once it listens
 */
export async function serve(folder: string, port: number): Promise<{ url: string; close(): Promise<void> }> {
  // Only names that are there are answered: a path cannot lead out of the folder.
  const names = new Set(await readdir(folder));
  const server = createServer(async ({ method, url = '/' }, response) => {
    if (method !== 'GET' && method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    const path = url.split('?')[0]!.slice(1);
    const name = path === '' ? 'index.html' : path;
    const body = names.has(name) ? await readFile(join(folder, name)).catch(() => undefined) : undefined;
    if (body === undefined) {
      response.writeHead(404).end('not found');
      return;
    }
    const type = TYPES[extname(name)] ?? 'application/octet-stream';
    response.writeHead(200, { ...HEADERS, 'content-type': type, 'content-length': body.length });
    response.end(method === 'HEAD' ? undefined : body);
  });
  await listening(server, port);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve());
  });
}
