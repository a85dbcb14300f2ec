/** A folder of checkpoints: `checkpoint-0007-step-1234.safetensors`, the last few of them, and the best model. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Lock, lockFolder } from './lock.js';
import { type Metadata, type TensorToWrite, writeSafetensors } from './safetensors.js';
import { notWritten } from './writeAside.js';

/** The number goes up with every one, whatever their steps: those of another run may have been there before. */
const CHECKPOINT = /^checkpoint-(\d+)-step-\d+\.safetensors$/;
const BEST = 'best.safetensors';
/** What `writeAside` leaves of one of these where the process was killed. */
const LEFT_OVER = /^\.(checkpoint-\d+-step-\d+|best)\.safetensors\.[0-9a-f-]{36}\.part$/;

export class CheckpointFolder {
  private constructor(
    readonly path: string,
    private readonly lock: Lock,
    /** Names of the checkpoints that are there, the oldest first. */
    private readonly names: string[],
  ) {}

  /** Makes the folder where it is not there, and locks it. Rejects with FOLDER_IN_USE or FILE_NOT_WRITTEN. */
  static async open(given: string): Promise<CheckpointFolder> {
    const path = resolve(given); // wherever the process may go
    try {
      await mkdir(path, { recursive: true });
    } catch (error) {
      throw notWritten(path, error);
    }
    const lock = await lockFolder(path);
    try {
      const names = await readdir(path);
      // Of a process that was killed while it wrote.
      await Promise.all(
        names.filter((name) => LEFT_OVER.test(name)).map((name) => rm(join(path, name), { force: true })),
      );
      const checkpoints = names.filter((name) => CHECKPOINT.test(name));
      return new CheckpointFolder(
        path,
        lock,
        checkpoints.sort((a, b) => numberOf(a) - numberOf(b)),
      );
    } catch (error) {
      lock.release();
      throw notWritten(path, error);
    }
  }

  /** Path of the last checkpoint; undefined where there is none. */
  get newest(): string | undefined {
    const name = this.names.at(-1);
    return name === undefined ? undefined : join(this.path, name);
  }

  get bestPath(): string {
    return join(this.path, BEST);
  }

  /** Adds one, and removes the oldest beyond `kept`. */
  async save(
    step: number,
    kept: number,
    tensors: readonly TensorToWrite[],
    metadata: Metadata,
  ): Promise<void> {
    const last = this.names.at(-1);
    const number = last === undefined ? 1 : numberOf(last) + 1;
    const name = `checkpoint-${String(number).padStart(4, '0')}-step-${step}.safetensors`;
    await writeSafetensors(join(this.path, name), tensors, metadata);
    this.names.push(name);
    // What cannot be removed now is found again when the folder is opened.
    while (this.names.length > kept) {
      await rm(join(this.path, this.names.shift()!), { force: true }).catch(() => undefined);
    }
  }

  async saveBest(tensors: readonly TensorToWrite[], metadata: Metadata): Promise<void> {
    await writeSafetensors(this.bestPath, tensors, metadata);
  }

  /** A new run begins: the best of another one is not its own. */
  async forgetBest(): Promise<void> {
    await rm(this.bestPath, { force: true });
  }

  async close(): Promise<void> {
    this.lock.release();
  }
}

const numberOf = (name: string) => Number(CHECKPOINT.exec(name)![1]);

/** The oldest first. */
const checkpointsAmong = (names: readonly string[]): string[] =>
  names.filter((name) => CHECKPOINT.test(name)).sort((a, b) => numberOf(a) - numberOf(b));

/** Path of the last checkpoint in a folder, whoever has it; undefined where there is none. */
export async function lastCheckpoint(folder: string): Promise<string | undefined> {
  const last = checkpointsAmong(await readdir(folder).catch(() => [])).at(-1);
  return last === undefined ? undefined : join(folder, last);
}
