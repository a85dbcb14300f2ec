/** The folder of a recipe: the outcome of each run that is done, and the checkpoints of one that is not. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../base/check.js';
import { MarginCoreError } from '../base/errors.js';
import { type Lock, lockFolder } from '../files/lock.js';
import { unreadable } from '../files/readBytes.js';
import { notWritten, writeAside } from '../files/writeAside.js';
import { resolveTrainOptions, type TrainOptions } from '../training/options.js';
import type { Analysis } from './analysis.js';
import { checkOutcome, type Outcome } from './outcome.js';
import type { RowKey } from './recipe.js';

/** All that an outcome depends on, as JSON has it: options as they are in force, and the data. */
type Identity = Readonly<Record<string, unknown>>;

export interface KeptRun {
  readonly outcome: Outcome;
  /** Where it was asked for when the run was done. */
  readonly analysis?: Analysis;
}

export class Shelf {
  private constructor(
    private readonly path: string,
    private readonly lock: Lock,
    private readonly data: Identity,
    private readonly savesModels: boolean,
  ) {}

  /**
   * @param data What outcomes depend on in it
   * Makes the folder where it is not there. Rejects with FOLDER_IN_USE or FILE_NOT_WRITTEN.
   */
  static async open(given: string, data: Identity, savesModels: boolean): Promise<Shelf> {
    const path = resolve(given); // wherever the process may go
    await mkdir(path, { recursive: true }).catch((error) => {
      throw notWritten(path, error);
    });
    return new Shelf(path, await lockFolder(path), data, savesModels);
  }

  /** Undefined of a run that is not done. Rejects with CHECKPOINT_MISMATCH where another one is, and with FILE_CORRUPT. */
  async find(key: RowKey, settings: TrainOptions): Promise<KeptRun | undefined> {
    const path = this.#file(key, settings.seed!);
    const kept = await readKept(path);
    if (kept === undefined) return undefined;
    const wanted = this.#identity(settings);
    for (const name of new Set([...Object.keys(kept.identity), ...Object.keys(wanted)])) {
      if (!isDeepStrictEqual(kept.identity[name], wanted[name])) {
        throw mismatch(path, name, kept.identity[name], wanted[name]);
      }
    }
    await this.#forgetCheckpoints(key, settings.seed!);
    const model = kept.outcome.diverged === undefined ? this.modelFile(key, settings.seed!) : undefined;
    if (model !== undefined && !existsSync(model)) return undefined;
    const { outcome, analysis } = kept;
    return { outcome, ...(analysis && { analysis }) };
  }

  /** Where a run that is stopped is kept, and its log, which stays: `margincore watch` shows it while the run goes on. */
  places(key: RowKey, seed: number): Pick<TrainOptions, 'checkpoint' | 'resume' | 'logDir'> {
    const logDir = join(this.path, 'logs', nameOf(key, seed));
    return { checkpoint: this.#checkpoint(key, seed), resume: true, logDir };
  }

  /** Undefined where models are not wanted. */
  modelFile(key: RowKey, seed: number): string | undefined {
    return this.savesModels ? `${this.#checkpoint(key, seed)}.safetensors` : undefined;
  }

  async keep(key: RowKey, settings: TrainOptions, run: KeptRun): Promise<void> {
    const seed = settings.seed!;
    const kept = { key, seed, identity: this.#identity(settings), ...run };
    await writeAside(this.#file(key, seed), async (file) => {
      await file.writeFile(`${JSON.stringify(kept, null, 2)}\n`);
    });
    await this.#forgetCheckpoints(key, seed);
  }

  close(): void {
    this.lock.release();
  }

  /** What cannot be removed now is met again by the next one. */
  async #forgetCheckpoints(key: RowKey, seed: number): Promise<void> {
    await rm(this.#checkpoint(key, seed), { recursive: true, force: true }).catch(() => undefined);
  }

  #checkpoint(key: RowKey, seed: number): string {
    return join(this.path, nameOf(key, seed));
  }

  #file(key: RowKey, seed: number): string {
    return `${this.#checkpoint(key, seed)}.json`;
  }

  /** The same options in other words are the same run; where it is done, and when it is kept, is not of it. */
  #identity(settings: TrainOptions): Identity {
    const { device, threads, distributed, ...where } = resolveTrainOptions(settings);
    const { progress, signal, checkpointEvery, keepCheckpoints, epochs, ...rest } = where;
    const { model, ...options } = rest;
    const { layers, init } = model;
    const length = rest.steps === undefined ? { epochs } : {};
    return plain({ ...this.data, ...length, ...options, model: { layers, init } });
  }
}

const LONGEST_NAME = 80;

/** As files may be called. What is lost of the key on the way is in the hash. */
function nameOf(key: RowKey, seed: number): string {
  const words = Object.entries(key).map(([column, value]) => `${column}-${value}`);
  const said = words
    .join('_')
    .replaceAll(/[^\w.-]/g, '-')
    .slice(0, LONGEST_NAME);
  const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 8);
  return `${said}_${hash}_seed-${seed}`;
}

/** As it comes back from a file; of arrays of numbers, which validation images may be, their hash. */
function plain(value: object): Identity {
  const hashed = (_key: string, part: unknown) =>
    ArrayBuffer.isView(part)
      ? createHash('sha256')
          .update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
          .digest('hex')
      : part;
  return JSON.parse(JSON.stringify(value, hashed));
}

function mismatch(path: string, option: string, found: unknown, expected: unknown): MarginCoreError {
  return new MarginCoreError(
    'CHECKPOINT_MISMATCH',
    `${path} is of another run. ${option}: ${short(found)} there, ${short(expected)} now. Take another folder`,
    { details: { path, option, found, expected } },
  );
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'none';
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

async function readKept(path: string): Promise<(KeptRun & { readonly identity: Identity }) | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw unreadable(path, error);
  });
  if (text === undefined) return undefined;
  try {
    const kept: unknown = JSON.parse(text);
    if (!isRecord(kept) || !isRecord(kept.identity)) throw new Error('it says of no run');
    const { identity, outcome, analysis } = kept;
    return {
      identity,
      outcome: checkOutcome(outcome),
      ...(isRecord(analysis) && { analysis: analysis as unknown as Analysis }),
    };
  } catch (cause) {
    const why = (cause as Error).message;
    throw new MarginCoreError('FILE_CORRUPT', `${path} is no outcome of a run: ${why}`, {
      cause,
      details: { path },
    });
  }
}
