/** What an event file says of a run. */
import type { EventListener } from '../logs/eventReader.js';
import type { RunOutcome } from '../logs/hparams.js';
import type { LoggedEvent, LoggedHistogram } from '../logs/loggedEvent.js';
import { Series } from './series.js';

export interface HistogramAt {
  readonly step: number;
  readonly histogram: LoggedHistogram;
}

export class FileLog implements EventListener {
  /** By tag */
  readonly series = new Map<string, Series>();
  /** The last of each tag */
  readonly histograms = new Map<string, HistogramAt>();
  /** What earlier files have of this step and of later ones is void. */
  start = Number.POSITIVE_INFINITY;
  /** The greatest; undefined before the first event. */
  step: number | undefined;
  /** Of the last event, in seconds since 1970 */
  wallTime: number | undefined;
  /** That of the run, where the last event is its end. */
  outcome: RunOutcome | undefined;

  add({ wallTime, step, isStart, scalars, histograms, outcome }: LoggedEvent): void {
    if (isStart) this.#startAt(step);
    else this.step = Math.max(this.step ?? 0, step);
    this.wallTime = wallTime;
    this.outcome = outcome;
    for (const [tag, value] of scalars) this.#seriesOf(tag).add(step, value);
    for (const [tag, histogram] of histograms) this.histograms.set(tag, { step, histogram });
  }

  #seriesOf(tag: string): Series {
    const series = this.series.get(tag) ?? new Series();
    this.series.set(tag, series);
    return series;
  }

  #startAt(step: number): void {
    this.start = Math.min(this.start, step);
    if (this.step !== undefined) this.step = Math.min(this.step, Math.max(0, step - 1));
    for (const series of this.series.values()) series.clearFrom(step);
    for (const [tag, each] of this.histograms) if (each.step >= step) this.histograms.delete(tag);
  }

  clear(): void {
    this.series.clear();
    this.histograms.clear();
    this.start = Number.POSITIVE_INFINITY;
    this.step = undefined;
    this.wallTime = undefined;
    this.outcome = undefined;
  }
}
