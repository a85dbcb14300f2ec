/**
 * Who is told what happens in a run: the progress display, a user's callbacks, whatever keeps or draws something. A run
 * knows its observers as a list, and nothing of what they do.
 */
import type { EffectiveHead } from '../heads/options.js';
import type { MemoryPlan } from '../native/environment.js';
import type { Controls, EpochControls, EpochEvent, StepEvent } from './events.js';
import type { RunNote } from './runNote.js';

/** Known before the first step. */
export interface RunStart {
  /** The head with all its options, as they are in force. */
  readonly head: EffectiveHead;
  /** Of an untrained network, where the head has such an expectation: to be shown beside the first measured loss. */
  readonly expectedFirstLoss?: number;
  /** Training images */
  readonly samples: number;
  /** On average of an epoch */
  readonly imagesPerStep: number;
  readonly epochs: number;
  /** Of the whole run */
  readonly steps: number;
  /** Of the network and the head together */
  readonly parameters: number;
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

/** How a run ended: well, with the accuracy on its test samples where there are any; or not. */
export type RunEnd = { readonly seconds: number; readonly accuracy?: number } | { readonly error: unknown };

/** All but `notice` are awaited; the first exception ends the run, which rejects with it. */
export interface Observer {
  /** Before anything is allocated for training. */
  start?(run: RunStart): unknown;
  /** Before the first step, a few times a second where that takes so long: of pictures that are read, before `start`. */
  prepare?(preparation: Preparation): unknown;
  step?(event: StepEvent, controls: Controls): unknown;
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

  async start(run: RunStart): Promise<void> {
    for (const observer of this.observers) await observer.start?.(run);
  }

  async prepare(preparation: Preparation): Promise<void> {
    for (const observer of this.observers) await observer.prepare?.(preparation);
  }

  async step(event: StepEvent, controls: Controls): Promise<void> {
    for (const observer of this.observers) await observer.step?.(event, controls);
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
