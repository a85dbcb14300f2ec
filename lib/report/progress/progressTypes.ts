import type { MemoryPlan } from '../../native/environment.js';
import type { EpochEvent, StepEvent } from '../../training/events.js';

/** Known before the first step. */
export interface ProgressStart {
  readonly head: string;
  /** The head's options, all of them, as they are in force. */
  readonly effective: Readonly<Record<string, unknown>>;
  /** Of an untrained network, where the head has such an expectation: to be shown beside the first measured loss. */
  readonly expectedFirstLoss?: number;
  /** Training images */
  readonly samples: number;
  readonly epochs: number;
  /** Of the whole run */
  readonly steps: number;
  /** Of the network and the head together */
  readonly parameters: number;
  /** E.g. 'cpu (x86-64-v4)' */
  readonly device: string;
  readonly memory: MemoryPlan;
}

/** Shows a training run to its user. Whether and where it shows anything is its own decision. */
export interface Progress {
  start(info: ProgressStart): void;
  step(event: StepEvent): void;
  epoch(event: EpochEvent): void;
  /** One sentence that the user should see once; it is also kept in `result.environment.notes`. */
  notice(text: string): void;
  end(result: { readonly accuracy?: number; readonly seconds: number } | { readonly error: unknown }): void;
}
