/** A file of TensorBoard's: a run has one, and another one each time that it is resumed. */
import { readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { GrowingFile } from '../files/growingFile.js';
import { encodeEvent, type Happening, type Summary } from './summaries.js';
import { tfRecord } from './tfRecord.js';

/** What a reader takes the names of such files by; the number is when the file was begun, in seconds since 1970. */
const NAME = /^events\.out\.tfevents\.(\d+)\./;

export const isEventFile = (name: string): boolean => NAME.test(name);

export class EventFile {
  private constructor(
    private readonly file: GrowingFile,
    /** Milliseconds since 1970 */
    private readonly now: () => number,
  ) {}

  /**
   * A new one, behind those that are there: readers take them in the order of their names.
   * @param firstStep Of what will be written: what earlier files have of it and of later ones is passed over, as it is done anew
   */
  static async create(folder: string, firstStep: number, now: () => number): Promise<EventFile> {
    const begun = (await readdir(folder)).filter(isEventFile).map((name) => Number(NAME.exec(name)![1]));
    const seconds = Math.max(Math.floor(now() / 1000), ...begun.map((each) => each + 1));
    const name = `events.out.tfevents.${String(seconds).padStart(10, '0')}.${hostname()}.${process.pid}`;
    const events = new EventFile(await GrowingFile.create(join(folder, name)), now);
    events.#add(0, { fileVersion: 'brain.Event:2' });
    if (begun.length > 0) events.#add(firstStep, { sessionLog: { status: 'START' } });
    return events;
  }

  /** At a step of the run, counted from 1; 0 is before it. */
  add(step: number, summaries: readonly (Summary | undefined)[]): void {
    const value = summaries.filter((each) => each !== undefined);
    if (value.length > 0) this.#add(step, { summary: { value } });
  }

  #add(step: number, what: Happening): void {
    this.file.add(tfRecord(encodeEvent(this.now() / 1000, step, what)));
  }

  get waiting(): number {
    return this.file.waiting;
  }

  flush(): Promise<void> {
    return this.file.flush();
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
