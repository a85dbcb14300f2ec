/**
 * Who is told what happens in a run: the progress display, a user's callbacks, whatever keeps or draws something. A run
 * knows its observers as a list, and nothing of what they do.
 */
import type { Samples } from '../data/samples.js';
import type { EffectiveHead } from '../heads/options.js';
import type { HeadMeasurement } from '../metrics/headStatistics.js';
import type { Model } from '../model/model.js';
import type { MemoryPlan } from '../native/environment.js';
import type { Controls, EpochControls, EpochEvent, StepEvent } from './events.js';
import type { EffectiveOptions } from './job.js';
import type { RunNote } from './runNote.js';

/** Known before the first step. */
export interface RunStart {
  /** The head with all its options, as they are in force. */
  readonly head: EffectiveHead;
  /** Whether that has a margin. */
  readonly hasMargin: boolean;
  /** Of the whole run, as they are in force: those of `result.options`. */
  readonly options: EffectiveOptions;
  /** Of an untrained network, where the head has such an expectation: to be shown beside the first measured loss. */
  readonly expectedFirstLoss?: number;
  /** Training images */
  readonly samples: number;
  /** On average of an epoch */
  readonly imagesPerStep: number;
  readonly epochs: number;
  /** Of the whole run */
  readonly steps: number;
  /** Steps and whole epochs of an earlier part, from which this one goes on. */
  readonly done: { readonly steps: number; readonly epochs: number };
  /** Of the network and the head together */
  readonly parameters: number;
  /** Numbers of one embedding. */
  readonly embeddingSize: number;
  /** E.g. 'cpu (x86-64-v4)' */
  readonly device: string;
  /** What training will take: none of it is allocated yet. */
  readonly memory: MemoryPlan;
}

/** How far the run has come on the way to its first step. */
export interface Preparation {
  readonly stage: 'reading pictures' | 'drawing weights' | 'uploading images';
  /** Of the stage, 0…1 */
  readonly fraction: number;
}

/** What a run has come to. */
export interface RunResult {
  readonly seconds: number;
  /** On its test samples, where there are any. */
  readonly accuracy?: number;
  readonly model: Model;
  /** The test samples; without any those that were trained on. */
  readonly samples: Samples;
}

/** How a run ended: well, or not. */
export type RunEnd = RunResult | { readonly error: unknown };

/** All but `notice` are awaited; the first exception ends the run, which rejects with it. */
export interface Observer {
  /**
   * First of all, before data is looked at: what an observer could not do later is refused here.
   * @param say Tells the user something, as `notice` has it.
   */
  open?(say: (note: RunNote) => void): unknown;
  /** Before anything is allocated for training. */
  start?(run: RunStart): unknown;
  /** Before the first step, a few times a second where that takes so long: of pictures that are read, before `start`. */
  prepare?(preparation: Preparation): unknown;
  step?(event: StepEvent, controls: Controls): unknown;
  /** A step that was run while something broke the run off: it counts, and a run that is resumed goes on behind it. For whoever keeps all. */
  lateStep?(event: StepEvent): unknown;
  /** After an epoch's last step and its validation, before `epoch`: what that one's statistics of the head are made of. */
  measured?(measurement: HeadMeasurement): unknown;
  /** After the epoch's validation. */
  epoch?(event: EpochEvent, controls: EpochControls): unknown;
  /** What the user should see once; it is also kept in `result.notes`. */
  notice?(note: RunNote): void;
  /** Whatever the run came to; called once. */
  end?(outcome: RunEnd): unknown;
}

/** Several as one, told in their order. */
export class Observers implements Required<Observer> {
  constructor(private readonly observers: readonly Observer[]) {}

  async open(say: (note: RunNote) => void): Promise<void> {
    for (const observer of this.observers) await observer.open?.(say);
  }

  async start(run: RunStart): Promise<void> {
    for (const observer of this.observers) await observer.start?.(run);
  }

  async prepare(preparation: Preparation): Promise<void> {
    for (const observer of this.observers) await observer.prepare?.(preparation);
  }

  async step(event: StepEvent, controls: Controls): Promise<void> {
    for (const observer of this.observers) await observer.step?.(event, controls);
  }

  async lateStep(event: StepEvent): Promise<void> {
    for (const observer of this.observers) await observer.lateStep?.(event);
  }

  async measured(measurement: HeadMeasurement): Promise<void> {
    for (const observer of this.observers) await observer.measured?.(measurement);
  }

  async epoch(event: EpochEvent, controls: EpochControls): Promise<void> {
    for (const observer of this.observers) await observer.epoch?.(event, controls);
  }

  notice(note: RunNote): void {
    for (const observer of this.observers) observer.notice?.(note);
  }

  /** Tells all, whatever one throws: on that a run that went well rejects, and no failure is hidden by it. */
  async end(outcome: RunEnd): Promise<void> {
    const thrown: unknown[] = [];
    for (const observer of this.observers) {
      try {
        await observer.end?.(outcome);
      } catch (error) {
        thrown.push(error);
      }
    }
    if (thrown.length > 0 && !('error' in outcome)) throw thrown[0];
  }
}
