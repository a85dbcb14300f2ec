/** A server on this machine's loopback addresses alone. */
import { createServer, type RequestListener, type Server } from 'node:http';
import { invalidOption } from '../base/errors.js';

const HOSTS = ['127.0.0.1', '::1'] as const;

const DEFAULT_PORT = 6161;
/** Tried from there on */
const PORTS = 100;

export interface Listening {
  readonly port: number;
  /** Ends connections, too. */
  close(): Promise<void>;
}

/**
 * @param port 0: any that is free; undefined: 6161, or the next that is free
 * Rejects with INVALID_OPTION where the port is not free.
 */
export async function listen(handler: RequestListener, port: number | undefined): Promise<Listening> {
  if (port !== undefined) return await onPort(handler, port);
  for (let next = DEFAULT_PORT; ; next++) {
    try {
      return await onPort(handler, next);
    } catch (error) {
      if (next === DEFAULT_PORT + PORTS - 1) throw error;
    }
  }
}

/** On both addresses, where this machine has both. */
async function onPort(handler: RequestListener, port: number): Promise<Listening> {
  const servers: Server[] = [];
  const close = async () => {
    await Promise.all(servers.map(closed));
  };
  let chosen = port;
  try {
    for (const host of HOSTS) {
      const server = createServer(handler);
      const { code } = await begun(server, host, chosen);
      if (code === undefined) servers.push(server);
      else if (host === HOSTS[0] || !ABSENT.includes(code)) throw refused(port, code);
      const address = server.address();
      if (typeof address === 'object' && address !== null) chosen = address.port;
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { port: chosen, close };
}

/** Of a machine without IPv6. */
const ABSENT: readonly string[] = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'];

function refused(port: number, code: string) {
  const hint = code === 'EACCES' ? 'Ports below 1024 are for privileged processes' : `It is not: ${code}`;
  return invalidOption('port', 'a port that is free', port, hint);
}

/** @returns The code of what keeps it from listening; undefined of nothing */
const begun = (server: Server, host: string, port: number): Promise<{ code?: string | undefined }> =>
  new Promise((resolve) => {
    server.once('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => resolve({ code }));
    server.listen({ host, port, exclusive: true }, () => resolve({}));
  });

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
