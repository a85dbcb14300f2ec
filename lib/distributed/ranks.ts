/** The processes that train together, of which this is one. */
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { inspect, isDeepStrictEqual } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { MarginCoreError } from '../base/errors.js';
import { awaitNative, native } from '../native/load.js';
import { type Board, BoardClient, BoardServer, type Presence } from './board.js';
import { expectLaunched, type Launched } from './launcher.js';
import type { Distributed } from './options.js';

export interface Ranks extends Launched {
  /** Of the engine's library. */
  readonly version: string;
  /** That this process runs on. */
  readonly host: string;
  /** This process, in words. */
  readonly who: string;
  /** What rank 0 says, in all of them. Called by all, in the same order, and never while steps run. */
  agree<T>(value: T): Promise<T>;
  /** Of rank 0, in all of them. */
  broadcast(bytes: Uint8Array): Promise<Buffer>;
  /** What each says, by rank, in all of them. */
  gather<T>(value: T): Promise<T[]>;
  gatherBytes(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** Throws RANKS_DIFFER where this process has another value than rank 0. */
  expectSame(what: Readonly<Record<string, unknown>>): Promise<void>;
  /** Tells the others how far this one is. */
  reached(step: number): void;
  /** Of a failure of the exchange: the same, with what is known of who has not come. Any other error as it is. */
  explain(error: unknown): Promise<unknown>;
}

let joined: Promise<Ranks> | undefined;
/** What the others did not get from a run is theirs to wait for: nothing may follow it. */
let hasFailed = false;
let isTraining = false;

/**
 * Runs something with the other processes, which are joined once in a process's life.
 * @throws INVALID_OPTION where there are none, in a worker thread, or beside another run; RANK_FAILED after one that failed.
 */
export async function withRanks<T>(options: Distributed, work: (ranks: Ranks) => Promise<T>): Promise<T> {
  expectAlone();
  isTraining = true;
  try {
    joined ??= join(options);
    joined.catch(() => {
      joined = undefined;
    });
    return await work(await joined);
  } catch (error) {
    hasFailed = joined !== undefined;
    throw error;
  } finally {
    isTraining = false;
  }
}

function expectAlone(): void {
  const refuse = (why: string) => {
    throw new MarginCoreError('INVALID_OPTION', `distributed: ${why}`, {
      details: { option: 'distributed' },
    });
  };
  if (!isMainThread) refuse("processes train together by their main thread, and not by a worker's");
  if (isTraining)
    refuse('a run with the other processes is going on: they would not know which of two is meant');
  if (hasFailed)
    throw new MarginCoreError(
      'RANK_FAILED',
      'A run with the other processes has failed: start all of them anew',
    );
}

async function join({ engine, timeoutSeconds }: Distributed): Promise<Ranks> {
  const launched = expectLaunched(process.env);
  const wanted = { ...launched, ...(engine !== 'auto' && { engine }), timeoutSeconds };
  const addon = native();
  const { version, host } = await awaitNative(() => addon.joinRanks(wanted));
  const own = { rank: wanted.rank, host, pid: process.pid };
  const board = await openBoard(own, wanted.size);
  const who = `Rank ${wanted.rank} (${host}, process ${process.pid})`;
  leaveAtEnd(who);
  return {
    ...wanted,
    ...{ version, host, who },
    // One alone agrees with itself, and its steps wait for nothing.
    agree: wanted.size === 1 ? async (value) => plain(value ?? null) as typeof value : agree,
    broadcast,
    gather,
    gatherBytes,
    reached: (step) => board?.reached(step),
    async explain(error) {
      if (!(error instanceof MarginCoreError) || error.code !== 'RANK_FAILED') return error;
      const missing = await board?.missing();
      if (!missing) return error;
      return new MarginCoreError('RANK_FAILED', `${error.message}: ${missing}`, { cause: error });
    },
    expectSame: (what) => expectSameAs({ who, rank: wanted.rank, agree }, what),
  };
}

/** @param own This process, and how it hears what rank 0 says */
export async function expectSameAs(
  { who, rank, agree }: Pick<Ranks, 'rank' | 'who' | 'agree'>,
  what: Readonly<Record<string, unknown>>,
): Promise<void> {
  const first = await agree(what);
  const own = plain(what);
  const names = new Set([...Object.keys(own), ...Object.keys(first)]);
  const name = [...names].find((key) => !isDeepStrictEqual(own[key], first[key]));
  if (name === undefined) return;
  throw new MarginCoreError(
    'RANKS_DIFFER',
    `${who} has another ${name} than rank 0: ${JSON.stringify(own[name])}, not ${JSON.stringify(first[name])}`,
    { details: { rank, option: name } },
  );
}

/**
 * One that ends by itself while others train leaves them waiting: so it ends them. What ends it would be printed after that, and is
 * said before, with whose it is.
 */
function leaveAtEnd(who: string): void {
  let uncaught: unknown;
  process.once('uncaughtExceptionMonitor', (error) => {
    uncaught = error;
  });
  process.once('exit', (code) => {
    if (code === 0 && !hasFailed) {
      try {
        return native().finishRanks();
      } catch (error) {
        uncaught = error;
      }
    }
    if (uncaught !== undefined) {
      writeSync(process.stderr.fd, `${who}: ${inspect(uncaught)}\n`);
      sleep(MILLISECONDS_TO_FORWARD);
    }
    native().abortRanks(code || 1);
  });
}

/** In which a launcher passes on what a process has said: what it has not by then is lost with the process. */
const MILLISECONDS_TO_FORWARD = 300;

const sleep = (milliseconds: number) =>
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);

/** Rank 0 opens it, the others are told where. */
async function openBoard(own: Presence, size: number): Promise<Board | undefined> {
  const key = randomBytes(16).toString('hex');
  const server = own.rank === 0 ? await BoardServer.open(own, size, key).catch(() => undefined) : undefined;
  const there = await agree({ hosts: addresses(own.host), port: server?.port ?? 0, key, leader: own });
  if (own.rank === 0) return server;
  return there.port === 0 ? undefined : BoardClient.open(own, there, there.leader);
}

/** Of this machine, as others may know it. */
function addresses(host: string): string[] {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return [...all.filter(({ internal }) => !internal).map(({ address }) => address), host, '127.0.0.1'];
}

/** As JSON has it; undefined is none. */
async function agree<T>(value: T): Promise<T> {
  const text = Buffer.from(JSON.stringify(value ?? null));
  const length = await broadcast(Buffer.from(String(text.length).padStart(LENGTH_DIGITS)));
  const room = Buffer.alloc(Number(length.toString()));
  text.copy(room);
  return JSON.parse((await broadcast(room)).toString());
}

const LENGTH_DIGITS = 12;

const broadcast = async (bytes: Uint8Array) =>
  Buffer.from(await awaitNative(() => native().broadcast(bytes)));

async function gather<T>(value: T): Promise<T[]> {
  const all = await gatherBytes(Buffer.from(JSON.stringify(value)));
  return all.map((text) => JSON.parse(Buffer.from(text).toString()) as T);
}

const gatherBytes = (bytes: Uint8Array) => awaitNative(() => native().gather(bytes));

const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
