/** A run: the event files of one folder, which go on from each other in the order of their names. */
import { join } from 'node:path';
import type { MarginCoreError } from '../base/errors.js';
import { EventReader } from '../logs/eventReader.js';
import type { RunOutcome } from '../logs/hparams.js';
import type { LoggedHistogram } from '../logs/loggedEvent.js';
import { FileLog } from './fileLog.js';
import type { Point } from './series.js';

interface File {
  readonly name: string;
  readonly log: FileLog;
  readonly reader: EventReader;
}

export class WatchedRun {
  #files: readonly File[] = [];

  constructor(
    /** The folder's path from where runs are looked for; '.' is that place. */
    readonly name: string,
    /** Which one it was to be found: its colour. */
    readonly index: number,
    private readonly folder: string,
  ) {}

  /** Reads what is new in the files. @param names All of them, sorted @returns Whether anything is other than before */
  async read(names: readonly string[]): Promise<boolean> {
    const before = this.#files;
    this.#files = names.map((name) => before.find((file) => file.name === name) ?? this.#file(name));
    let isOther = this.#files.length !== before.length || this.#files.some((file, i) => file !== before[i]);
    for (const { reader } of this.#files) isOther = (await reader.read()) || isOther;
    return isOther;
  }

  #file(name: string): File {
    const log = new FileLog();
    return { name, log, reader: new EventReader(join(this.folder, name), log) };
  }

  get faults(): readonly MarginCoreError[] {
    return this.#files.flatMap(({ reader: { fault } }) => (fault === undefined ? [] : [fault]));
  }

  get tags(): readonly string[] {
    return [...new Set(this.#files.flatMap(({ log }) => [...log.series.keys()]))];
  }

  points(tag: string): readonly Point[] {
    return this.#valid.flatMap(({ log, end }) => {
      const points = log.series.get(tag)?.points ?? [];
      return points.every(([step]) => step < end) ? points : points.filter(([step]) => step < end);
    });
  }

  /** The last value, which need not be finite. */
  last(tag: string): number | undefined {
    return this.points(tag).at(-1)?.[1];
  }

  histogram(tag: string): LoggedHistogram | undefined {
    return this.#valid
      .map(({ log, end }) => ({ end, found: log.histograms.get(tag) }))
      .findLast(({ end, found }) => found !== undefined && found.step < end)?.found?.histogram;
  }

  get step(): number | undefined {
    const steps = this.#valid.flatMap(({ log, end }) =>
      log.step === undefined ? [] : [Math.min(log.step, Math.max(0, end - 1))],
    );
    return steps.length === 0 ? undefined : Math.max(...steps);
  }

  /** Of the last event, in seconds since 1970 */
  get wallTime(): number | undefined {
    return this.#files.findLast(({ log }) => log.wallTime !== undefined)?.log.wallTime;
  }

  get outcome(): RunOutcome | undefined {
    return this.#files.findLast(({ log }) => log.wallTime !== undefined)?.log.outcome;
  }

  /** Each file with the step from which on later files have it anew. */
  get #valid(): readonly { readonly log: FileLog; readonly end: number }[] {
    return this.#files.map(({ log }, index) => ({
      log,
      end: Math.min(
        ...this.#files.slice(index + 1).map((later) => later.log.start),
        Number.POSITIVE_INFINITY,
      ),
    }));
  }
}
