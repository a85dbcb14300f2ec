/** Signals that end a command while it works: Ctrl-C, and what `kill`, containers and batch systems send. */
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
type EndingSignal = (typeof SIGNALS)[number];

const WORDS: Readonly<Record<EndingSignal, string>> = { SIGINT: 'interrupted', SIGTERM: 'terminated' };

export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  /** Of the program, as shells expect it: 130 for Ctrl-C, 143 for SIGTERM. */
  readonly exitStatus: number;

  constructor(signal: EndingSignal) {
    super(WORDS[signal]);
    this.exitStatus = 128 + constants.signals[signal];
  }
}

/**
 * Runs work that the first of the signals aborts, so that it can end cleanly and release what it holds. The second one,
 * of either kind, ends the process at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const leaveToTheSystem = () => {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  };
  const interrupt = (signal: EndingSignal) => {
    leaveToTheSystem();
    controller.abort(new Interrupted(signal));
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    return await work(controller.signal);
  } finally {
    leaveToTheSystem();
  }
}
