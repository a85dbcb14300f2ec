/** The runs below a folder, read again when somebody asks: without anybody who looks at them nothing is read. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { MarginCoreError } from '../base/errors.js';
import { type FoundLogs, findLogs } from './findLogs.js';
import { WatchedRun } from './watchedRun.js';

/** The page of a comparison that may lie beside its runs. */
export const COMPARISON = 'comparison.html';

/** Milliseconds for which what was read is fresh enough, however many ask. */
const FRESH = 500;
/** A large tree is looked through for new folders this part of the time at most. */
const SEARCHING = 1 / 20;

export class WatchedRuns {
  #runs: readonly WatchedRun[] = [];
  #found: FoundLogs = { files: new Map(), faults: [] };
  #hasComparison = false;
  #count = 0;
  #version = 0;
  #readAt = Number.NEGATIVE_INFINITY;
  #searchAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(
    readonly folder: string,
    /** Milliseconds since 1970 */
    private readonly now: () => number = Date.now,
  ) {}

  /** In the order in which they were found, at once by name. */
  get runs(): readonly WatchedRun[] {
    return this.#runs;
  }

  /** Files that are read in part or not at all, and folders. */
  get faults(): readonly MarginCoreError[] {
    return [...this.#found.faults, ...this.#runs.flatMap(({ faults }) => faults)];
  }

  get hasComparison(): boolean {
    return this.#hasComparison;
  }

  /** Another number whenever anything is other than before */
  get version(): number {
    return this.#version;
  }

  /** Reads what is new. */
  refresh(): Promise<void> {
    if (this.#reading === undefined && this.now() - this.#readAt < FRESH) return Promise.resolve();
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
      this.#readAt = this.now();
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    let isOther = await this.#search();
    for (const run of this.#runs) {
      isOther = (await run.read(this.#found.files.get(run.name) ?? [])) || isOther;
    }
    if (isOther) this.#version += 1;
  }

  async #search(): Promise<boolean> {
    const begun = this.now();
    if (begun < this.#searchAt) return false;
    const before = { runs: this.#runs, faults: messages(this.#found), hasComparison: this.#hasComparison };
    this.#found = await findLogs(this.folder);
    this.#hasComparison = await isFile(join(this.folder, COMPARISON));
    const kept = this.#runs.filter(({ name }) => this.#found.files.has(name));
    const added = [...this.#found.files.keys()]
      .filter((name) => !kept.some((run) => run.name === name))
      .sort(byName)
      .map((name) => new WatchedRun(name, this.#count++, join(this.folder, name)));
    this.#runs = [...kept, ...added];
    this.#searchAt = this.now() + (this.now() - begun) / SEARCHING;
    return (
      added.length > 0 ||
      kept.length < before.runs.length ||
      messages(this.#found) !== before.faults ||
      this.#hasComparison !== before.hasComparison
    );
  }
}

const messages = ({ faults }: FoundLogs) => faults.map(({ message }) => message).join('\n');

/** run2 before run10 */
const byName = new Intl.Collator('en', { numeric: true }).compare;

const isFile = async (path: string): Promise<boolean> =>
  (await lstat(path).catch(() => undefined))?.isFile() ?? false;
