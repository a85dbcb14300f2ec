/**
 * A session of which each process has a part of the class weights: what rank 0 reads or writes of its parameters, to keep the run, all
 * have to, each with its part. So rank 0 announces it, and the others do the same while they wait for what it says next.
 */
import type { NativeSession } from '../native/contract.js';
import { awaitNative } from '../native/load.js';
import { expectSameAs, type Ranks } from './ranks.js';

const READS = ['readParameter', 'readTrainedParameter', 'readMoment'] as const;

/** What rank 0 says: a value that was to be agreed on, or what all do before that. */
type Said<T> =
  | { readonly value: T }
  | { readonly read: (typeof READS)[number]; readonly of: readonly [string, number] }
  | { readonly write: string; readonly bytes: number };

export interface ShardedSession {
  /** Rank 0's, to be read and written as if it had all. */
  readonly session: NativeSession;
  /** In their place. */
  readonly ranks: Ranks;
}

export function shardedSession(session: NativeSession, ranks: Ranks): ShardedSession {
  const agree = ranks.rank === 0 ? saying(ranks) : listening(session, ranks);
  return {
    session: ranks.rank === 0 ? announcing(session, ranks) : session,
    ranks: { ...ranks, agree, expectSame: (what) => expectSameAs({ ...ranks, agree }, what) },
  };
}

const saying =
  (ranks: Ranks): Ranks['agree'] =>
  async <T>(value: T) => {
    const said = await ranks.agree<Said<T>>({ value });
    return (said as { value: T }).value;
  };

const listening =
  (session: NativeSession, ranks: Ranks): Ranks['agree'] =>
  async <T>() => {
    for (;;) {
      const said = await ranks.agree<Said<T> | undefined>(undefined);
      if ('value' in said!) return said.value;
      if ('read' in said!) await awaitNative(() => session[said.read](...said.of));
      else await writeShared(session, ranks, said!.write, Buffer.alloc(said!.bytes));
    }
  };

function announcing(session: NativeSession, ranks: Ranks): NativeSession {
  const reads = READS.map((read) => [
    read,
    async (name: string, moment = 0) => {
      await ranks.agree({ read, of: [name, moment] });
      return session[read](name, moment);
    },
  ]);
  const own = {
    ...Object.fromEntries(reads),
    async writeParameter(name: string, values: Float32Array) {
      await ranks.agree({ write: name, bytes: values.byteLength });
      await writeShared(
        session,
        ranks,
        name,
        Buffer.from(values.buffer, values.byteOffset, values.byteLength),
      );
    },
  };
  return new Proxy(session, {
    get(target, property) {
      const value = own[property as keyof typeof own] ?? target[property as keyof NativeSession];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function writeShared(session: NativeSession, ranks: Ranks, name: string, bytes: Buffer): Promise<void> {
  const { buffer, byteOffset, byteLength } = await ranks.broadcast(bytes);
  const values = new Float32Array(buffer, byteOffset, byteLength / Float32Array.BYTES_PER_ELEMENT);
  await awaitNative(() => session.writeParameter(name, values));
}
