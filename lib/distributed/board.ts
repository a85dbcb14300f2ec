/**
 * Where each process is: what MPI does not say when one of them does not come. Rank 0 listens, every rank tells it which step it
 * has reached and hears of those that have gone. It carries nothing that training waits for.
 */
import { createHash } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';

/** What a rank says of itself. */
export interface Presence {
  readonly rank: number;
  readonly host: string;
  readonly pid: number;
}

/** Where rank 0 listens. */
export interface BoardAddress {
  readonly hosts: readonly string[];
  readonly port: number;
  /** Not anybody's: who has not got it from rank 0 is not heard. */
  readonly key: string;
}

export interface Board {
  /** Steps that this rank has behind it. */
  reached(step: number): void;
  /** Of each rank that has gone, does not answer or is behind: what is known of it; '' where that is none. */
  missing(): Promise<string>;
  close(): void;
}

interface Place extends Presence {
  step: number;
  /** When it was last heard of. */
  heard: number;
  /** Undefined: rank 0's own. */
  readonly socket?: Socket;
}

/** Bytes. */
const LONGEST_GREETING = 4096;

/** In which a process answers whose event loop runs. */
const SECONDS_TO_ANSWER = 2;

export const nameOf = ({ rank, host, pid }: Presence) => `rank ${rank} (${host}, process ${pid})`;

/** Rank 0's. */
export class BoardServer implements Board {
  readonly #places = new Map<number, Place>();
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly size: number,
    private readonly key: string,
    own: Presence,
  ) {
    this.#places.set(own.rank, { ...own, step: 0, heard: Date.now() });
    server.on('connection', (socket) => this.#listenTo(socket));
  }

  static async open(own: Presence, size: number, key: string): Promise<BoardServer> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, resolve);
    });
    server.unref(); // it keeps no process alive
    server.on('error', () => {}); // whom it cannot take is never heard of
    return new BoardServer(server, size, key, own);
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  reached(step: number): void {
    this.#places.get(0)!.step = step;
  }

  async missing(): Promise<string> {
    const asked = Date.now();
    for (const { socket } of this.#places.values()) if (socket?.writable) socket.write('{"ask":true}\n');
    await setTimeout(1000 * (SECONDS_TO_ANSWER / 2));
    const places = [...this.#places.values()].sort((a, b) => a.rank - b.rank);
    const furthest = Math.max(...places.map(({ step }) => step));
    const unheard = Array.from({ length: this.size }, (_, rank) => rank).filter(
      (rank) => !this.#places.has(rank),
    );
    return [
      ...places.map((place) => describe(place, asked, furthest)),
      ...unheard.map((rank) => `rank ${rank} was never heard of`),
    ]
      .filter(Boolean)
      .join('; ');
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
  }

  #listenTo(socket: Socket): void {
    this.#sockets.add(socket.unref());
    socket.write(`${JSON.stringify({ board: proofOf(this.key) })}\n`);
    socket.once('close', () => this.#sockets.delete(socket));
    let isKnown = false;
    socket.on('data', () => {
      if (!isKnown && socket.bytesRead > LONGEST_GREETING) socket.destroy();
    });
    linesOf(socket).on('line', async (line) => {
      const said = parsed<Said>(line);
      if (said?.key !== this.key) return void socket.destroy();
      isKnown = true;
      const { rank, host, pid, step, asks } = said as Said;
      const before = this.#places.get(rank)?.step ?? 0;
      this.#places.set(rank, { rank, host, pid, socket, step: step ?? before, heard: Date.now() });
      if (asks) socket.write(`${JSON.stringify({ missing: await this.missing() })}\n`);
    });
  }
}

function describe(place: Place, asked: number, furthest: number): string {
  const { step, heard, socket } = place;
  if (socket?.destroyed) return `${nameOf(place)} ended after step ${step}`;
  const seconds = Math.round((Date.now() - heard) / 1000);
  if (socket && heard < asked)
    return `${nameOf(place)} does not answer: it was last heard of ${seconds} s ago, after step ${step}`;
  return step < furthest ? `${nameOf(place)} is at step ${step}, others at ${furthest}` : '';
}

/** By which rank 0 is known: its addresses may be other machines' as well. */
const proofOf = (key: string) => createHash('sha256').update(key).digest('hex');

/** What goes wrong with the socket goes wrong with these, too: it closes next. */
function linesOf(socket: Socket): Interface {
  socket.on('error', () => {});
  return createInterface(socket).on('error', () => {});
}

interface Said extends Presence {
  readonly key: string;
  /** Undefined: it only says that it is there. */
  readonly step?: number;
  /** For what is known of the others. */
  readonly asks?: boolean;
}

/** What rank 0 says. */
interface Answer {
  readonly board?: string;
  readonly missing?: string;
}

function parsed<T>(line: string): Partial<T> | undefined {
  try {
    return JSON.parse(line) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Another rank's. */
export class BoardClient implements Board {
  #answer: ((text: string) => void) | undefined;
  #isClosed = false;

  private constructor(
    private readonly socket: Socket,
    lines: Interface,
    private readonly own: Presence,
    private readonly key: string,
    private readonly leader: Presence,
  ) {
    socket.unref();
    socket.once('close', () => {
      this.#isClosed = true;
      this.#answer?.(this.#leaderIsGone);
    });
    lines.on('line', (line) => {
      const missing = parsed<Answer>(line)?.missing;
      if (missing === undefined) this.#say({});
      else this.#answer?.(missing);
    });
    this.#say({ step: 0 });
  }

  /** By the first of rank 0's addresses that answers; undefined where none does: one can train without. */
  static async open(
    own: Presence,
    { hosts, port, key }: BoardAddress,
    leader: Presence,
  ): Promise<BoardClient | undefined> {
    for (const host of hosts) {
      const found = await connected(host, port, proofOf(key));
      if (found !== undefined) return new BoardClient(found.socket, found.lines, own, key, leader);
    }
    return undefined;
  }

  reached(step: number): void {
    this.#say({ step });
  }

  async missing(): Promise<string> {
    if (this.#isClosed) return this.#leaderIsGone;
    const answer = new Promise<string>((resolve) => {
      this.#answer = resolve;
    });
    this.#say({ asks: true });
    return Promise.race([
      answer,
      setTimeout(1000 * SECONDS_TO_ANSWER, `${nameOf(this.leader)} does not answer`),
    ]);
  }

  close(): void {
    this.socket.destroy();
  }

  get #leaderIsGone(): string {
    return `${nameOf(this.leader)} has ended`;
  }

  #say(what: Pick<Said, 'step' | 'asks'>): void {
    const said: Said = { ...this.own, key: this.key, ...what };
    if (!this.#isClosed) this.socket.write(`${JSON.stringify(said)}\n`);
  }
}

/** The connection, if it is rank 0 that answers. */
function connected(
  host: string,
  port: number,
  proof: string,
): Promise<{ socket: Socket; lines: Interface } | undefined> {
  const socket = connect({ host, port, timeout: 1000 * SECONDS_TO_ANSWER });
  const lines = linesOf(socket);
  return new Promise((resolve) => {
    const fail = () => {
      socket.destroy();
      resolve(undefined);
    };
    for (const event of ['error', 'timeout', 'close'] as const) socket.once(event, fail);
    lines.once('line', (line) => {
      if (parsed<Answer>(line)?.board !== proof) return fail();
      for (const event of ['error', 'timeout', 'close'] as const) socket.off(event, fail);
      resolve({ socket: socket.setTimeout(0), lines });
    });
  });
}
