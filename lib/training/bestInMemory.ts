/** The best model of a run that is kept nowhere else: a copy of its parameters in host memory. */
import type { NativeSession } from '../native/contract.js';
import { awaitNative, callNative } from '../native/load.js';
import { bestEpoch, type Monitor } from './best.js';
import type { BestKeeper, Progress } from './loop.js';

export class BestInMemory implements BestKeeper {
  readonly #kept = new Map<string, Float32Array>();
  #epoch: number | undefined;

  constructor(
    private readonly session: NativeSession,
    private readonly monitor: Monitor,
  ) {}

  stepsUntilDue(): number {
    return Number.POSITIVE_INFINITY;
  }

  async stepsDone(): Promise<void> {}

  async finish(): Promise<void> {}

  async save(): Promise<void> {}

  async epochDone({ history }: Progress): Promise<void> {
    if (bestEpoch(history, this.monitor) !== history.length - 1) return;
    this.#epoch = history.length;
    for (const { name } of callNative(() => this.session.parameters())) {
      this.#kept.set(name, await awaitNative(() => this.session.readParameter(name)));
    }
  }

  async restoreBest(): Promise<number | undefined> {
    for (const [name, values] of this.#kept) {
      await awaitNative(() => this.session.writeParameter(name, values));
    }
    return this.#epoch;
  }
}
