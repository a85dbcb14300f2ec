/**
 * Enrol and identify over HTTP: who is on a picture, of those that a gallery knows.
 *
 *   POST   /names/Ada   the body is a picture of Ada: JPEG, PNG, WebP …   → { "name": "Ada", "count": 1 }
 *   DELETE /names/Ada                                                    → { "removed": 1 }
 *   GET    /names                                                        → { "names": ["Ada"], "embeddings": 1, "threshold": 0.42 }
 *   POST   /identify    the body is a picture; ?top=3&threshold=0.5      → { "matches": [{ "name": "Ada", "cosine": 0.71 }] }
 *
 * Who may call it, and over which network, is for what stands before it: it has neither passwords nor TLS.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type Gallery, MarginCoreError } from '../../lib/index.js';

const LARGEST_PICTURE = 16 * 2 ** 20;

class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** @param save Called after each change. */
export function galleryServer(gallery: Gallery, save: () => Promise<void>): Server {
  const answer = async (request: IncomingMessage): Promise<object> => {
    const { pathname, searchParams } = new URL(`http://localhost${request.url}`);
    const [, first, name, ...more] = pathname.split('/').map(decodeURIComponent);
    const route = `${request.method} ${['', first, ...(name === undefined ? [] : ['NAME']), ...more].join('/')}`;
    if (route === 'GET /names') {
      return { names: gallery.names, embeddings: gallery.count(), threshold: gallery.threshold };
    }
    if (route === 'POST /identify') {
      const numbers = Object.fromEntries(Array.from(searchParams, ([key, value]) => [key, toNumber(value)]));
      const [found] = await gallery.identify(await bodyOf(request), numbers);
      return { matches: found!.matches };
    }
    if (route === 'POST /names/NAME') {
      await gallery.enrol(name!, await bodyOf(request));
      await save();
      return { name, count: gallery.count(name) };
    }
    if (route === 'DELETE /names/NAME') {
      const removed = await gallery.remove(name!);
      if (removed === 0) throw new Refusal(404, `nobody is called '${name}'`);
      await save();
      return { removed };
    }
    throw new Refusal(404, `there is no ${request.method} ${pathname}`);
  };

  return createServer((request, response) => {
    answer(request)
      .then(
        (found) => [200, found] as const,
        (error: Error) => [statusOf(error), { error: error.message }] as const,
      )
      .then(([status, content]) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(`${JSON.stringify(content)}\n`);
      });
  });
}

/** Nothing is not 0. */
const toNumber = (text: string) => (text.trim() === '' ? Number.NaN : Number(text));

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > LARGEST_PICTURE) throw new Refusal(413, `a picture has at most ${LARGEST_PICTURE} bytes`);
    parts.push(part);
  }
  if (size === 0) throw new Refusal(400, 'the body has to be a picture');
  return Buffer.concat(parts);
}

/** What the caller can mend is the caller's; a disk that is full is not. */
function statusOf(error: Error): number {
  if (error instanceof Refusal) return error.status;
  if (error instanceof URIError || (error as NodeJS.ErrnoException).code === 'ERR_INVALID_URL') return 400;
  const isTheirs =
    error instanceof MarginCoreError && ['INVALID_OPTION', 'FILE_CORRUPT'].includes(error.code);
  return isTheirs ? 400 : 500;
}
