/** A run written down in a folder as it goes on: for TensorBoard, and as tables. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MarginCoreError } from '../base/errors.js';
import { notWritten } from '../files/writeAside.js';
import { degreesOf, type HeadMeasurement, rowNorms } from '../metrics/headStatistics.js';
import type { EpochEvent, StepEvent } from '../training/events.js';
import type { Observer, RunEnd, RunResult, RunStart } from '../training/observer.js';
import type { TrainSettings } from '../training/options.js';
import type { RunNote } from '../training/runNote.js';
import { type Column, EPOCH_COLUMNS, STEP_COLUMNS } from './columns.js';
import { CsvTable } from './csvTable.js';
import { EventFile, isEventFile } from './eventFile.js';
import { endSummary, optionSummaries } from './hparams.js';
import { writeProjector } from './projector.js';
import { histogram, scalar, text } from './summaries.js';

const STEPS = 'steps.csv';
const EPOCHS = 'epochs.csv';

/** For TensorBoard, of a run: a line of more points shows no more, and it keeps them all in memory. */
const MOST_STEPS = 10_000;

/** From one time that steps are written to the next: as often as TensorBoard looks. */
const MILLISECONDS = 10_000;
const MOST_WAITING = 2 ** 18;

/** What the user's options ask for: nothing without a folder. */
export function createLog({ logDir, resume, logEmbeddings, signal }: LogSettings, now = Date.now): Observer {
  if (logDir === undefined) return {};
  return new RunLog(
    resolve(logDir),
    { resume, ...(logEmbeddings && { logEmbeddings }), ...(signal && { signal }) },
    now,
  );
}

type LogSettings = Pick<TrainSettings, 'logDir' | 'resume' | 'logEmbeddings' | 'signal'>;

type LogFile = EventFile | CsvTable;

interface OpenLog {
  readonly run: RunStart;
  readonly events: EventFile;
  readonly steps: CsvTable;
  readonly epochs: CsvTable;
}

/** Of what is told it takes a note in memory; files are written beside, and waited for between epochs only. */
class RunLog implements Observer {
  #say: (note: RunNote) => void = () => undefined;
  #log: OpenLog | undefined;
  /** Also where one of them could not be opened. */
  readonly #files: LogFile[] = [];
  readonly #early: RunNote[] = [];
  #step = 0;
  #writtenAt = 0;

  constructor(
    private readonly folder: string,
    private readonly settings: LogSettings,
    private readonly now: () => number,
  ) {}

  /** Rejects with LOG_EXISTS or FILE_NOT_WRITTEN. */
  async open(say: (note: RunNote) => void): Promise<void> {
    this.#say = say;
    await expectWritable(this.folder);
    const found = this.settings.resume ? undefined : await logIn(this.folder);
    if (found === undefined) return;
    throw new MarginCoreError(
      'LOG_EXISTS',
      `${this.folder} already has the log of a run, ${found}: a new run needs another folder. A resumed one goes on in its own`,
      { details: { path: join(this.folder, found) } },
    );
  }

  async start(run: RunStart): Promise<void> {
    const { done } = run;
    const opened = async <File extends LogFile>(opening: Promise<File>): Promise<File> => {
      const file = await opening;
      this.#files.push(file);
      return file;
    };
    const table = (name: string, columns: readonly string[], last: number) =>
      opened(CsvTable.open(join(this.folder, name), columns, last));
    const ofSteps = ['step', 'epoch', 'wallTime', ...namesOf(STEP_COLUMNS)];
    const ofEpochs = ['epoch', 'step', 'steps', 'wallTime', ...namesOf(EPOCH_COLUMNS), 'diagnoses'];
    this.#log = {
      run,
      steps: await table(STEPS, ofSteps, done.steps),
      epochs: await table(EPOCHS, ofEpochs, done.epochs),
      events: await opened(EventFile.create(this.folder, done.steps + 1, this.now)),
    };
    this.#step = done.steps;
    this.#log.events.add(0, optionSummaries(run.options, this.#seconds));
    this.#log.events.add(this.#step, this.#early.map(textOf));
    await this.#flush();
  }

  step(event: StepEvent): void {
    const { run, steps, events } = this.#log!;
    const { step, epoch } = event;
    this.#step = step;
    steps.add([step, epoch, this.#seconds, ...STEP_COLUMNS.map(({ value }) => value(event, run))]);
    if (step % Math.ceil(run.steps / MOST_STEPS) === 0) events.add(step, scalarsOf(STEP_COLUMNS, event, run));
    const isDue = this.now() - this.#writtenAt > MILLISECONDS || steps.waiting > MOST_WAITING;
    if (isDue) void this.#flush();
  }

  lateStep(event: StepEvent): void {
    this.step(event);
  }

  measured({ embeddings, angles, classNorms }: HeadMeasurement): void {
    const size = this.#log!.run.embeddingSize;
    this.#log!.events.add(this.#step, [
      histogram('head/targetAngle', degreesOf(angles, 0)),
      histogram('head/nearestOtherAngle', degreesOf(angles, 1)),
      histogram('head/featureNorm', rowNorms(embeddings, size)),
      histogram('head/weightNorm', classNorms),
    ]);
  }

  async epoch(event: EpochEvent): Promise<void> {
    const { run, epochs, events } = this.#log!;
    const values = EPOCH_COLUMNS.map(({ value }) => value(event, run));
    const diagnoses = event.diagnoses.map(({ name }) => name).join(', ');
    epochs.add([event.epoch, this.#step, event.steps, this.#seconds, ...values, diagnoses]);
    events.add(this.#step, scalarsOf(EPOCH_COLUMNS, event, run));
    await this.#flush();
  }

  async end(outcome: RunEnd): Promise<void> {
    const isWell = !('error' in outcome);
    this.#log?.events.add(this.#step, [
      isWell && outcome.accuracy !== undefined ? scalar('test/accuracy', outcome.accuracy) : undefined,
      endSummary(this.#seconds, isWell),
    ]);
    await this.#each((file) => file.close());
    if (isWell) await this.#writeEmbeddings(outcome);
  }

  async #writeEmbeddings({ model, samples }: RunResult): Promise<void> {
    const { logEmbeddings: count, signal } = this.settings;
    if (count === undefined) return;
    try {
      await writeProjector(this.folder, model, samples, count, signal);
    } catch (error) {
      if (!(error instanceof MarginCoreError && error.code === 'FILE_NOT_WRITTEN')) throw error;
      this.#failed(error);
    }
  }

  /** Some are told before there is a file. */
  notice(note: RunNote): void {
    if (this.#log === undefined) this.#early.push(note);
    else this.#log.events.add(this.#step, [textOf(note)]);
  }

  /** As in events: since 1970. */
  get #seconds(): number {
    return this.now() / 1000;
  }

  async #flush(): Promise<void> {
    this.#writtenAt = this.now();
    await this.#each((file) => file.flush());
  }

  /** A disk that is full now may not be so the next time: the run goes on. */
  async #each(write: (file: LogFile) => Promise<void>): Promise<void> {
    for (const result of await Promise.allSettled(this.#files.map(write))) {
      if (result.status === 'rejected') this.#failed(result.reason);
    }
  }

  #failed({ message }: Error): void {
    this.#say({
      code: 'LOG_FAILED',
      message: `The log is not complete: ${message}. The run itself is as it should be`,
    });
  }
}

const textOf = ({ code, message }: RunNote) => text(`notes/${code}`, message);

const namesOf = (columns: readonly { readonly column: string }[]): string[] =>
  columns.map(({ column }) => column);

function scalarsOf<Event>(columns: readonly Column<Event>[], event: Event, run: RunStart) {
  return columns.flatMap(({ tag, value }) => {
    const number = value(event, run);
    return number === undefined ? [] : [scalar(tag, number)];
  });
}

/** Makes the folder where it is not there. Rejects with FILE_NOT_WRITTEN. */
async function expectWritable(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    // What a process may do is certain only once it has done it.
    const probe = join(folder, `.${randomUUID()}.part`);
    await writeFile(probe, '');
    await rm(probe);
  } catch (error) {
    throw notWritten(folder, error);
  }
}

/** The name of a file of a log that has something in it. */
async function logIn(folder: string): Promise<string | undefined> {
  for (const name of await readdir(folder)) {
    const isOfLog = isEventFile(name) || name === STEPS || name === EPOCHS;
    if (isOfLog && (await stat(join(folder, name))).size > 0) return name;
  }
  return undefined;
}
