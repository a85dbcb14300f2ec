/** Ten steps of training on each backend, and whether all come to the same. */

import { datasets } from '../../data/index.js';
import type { BackendInfo } from '../../native/backends.js';
import { fromNative } from '../../native/load.js';
import { train } from '../../train.js';

export interface Trial {
  readonly backend: string;
  /** Of its ten steps, all finite, and near those of the first backend that trained. */
  readonly passed: boolean;
  /** Of each step. */
  readonly losses: readonly number[];
  /** Of the last five steps. */
  readonly millisecondsPerStep?: number;
  /** From the first backend's losses, as a share of these: the largest of all steps. */
  readonly difference?: number;
  /** Why it did not train. */
  readonly error?: string;
}

const [STEPS, TIMED] = [10, 5];
/** Backends add up in other orders: by the tenth step that shows in the third digit at most. */
const MOST_DIFFERENCE = 0.01;

/** One after another; the CPU, where it is there, is what others are compared with. */
export async function tryTraining(backends: readonly BackendInfo[]): Promise<Trial[]> {
  const names = backends.filter(({ available }) => available).map(({ name }) => name);
  const trials: Trial[] = [];
  for (const name of names.sort()) {
    const first = trials.find(({ error }) => error === undefined);
    trials.push(await trialOn(name, first?.losses).catch((error) => failed(name, error)));
  }
  return trials;
}

async function trialOn(backend: string, expected: readonly number[] | undefined): Promise<Trial> {
  const losses: number[] = [];
  const times: number[] = [];
  const { model } = await train({
    data: await datasets.fashionMnistSample(),
    ...{ head: 'arcface', s: 16, steps: STEPS, batchSize: 64, seed: 1, learningRate: 1e-3 },
    ...{ device: backend as 'cpu', progress: false },
    onStep({ loss }) {
      losses.push(loss);
      times.push(performance.now());
    },
  });
  model.dispose();
  const difference =
    expected && Math.max(...losses.map((loss, step) => Math.abs(loss / expected[step]! - 1)));
  return {
    ...{ backend, losses, passed: difference === undefined || difference <= MOST_DIFFERENCE },
    millisecondsPerStep: (times.at(-1)! - times.at(-1 - TIMED)!) / TIMED,
    ...(difference !== undefined && { difference }),
  };
}

const failed = (backend: string, error: unknown): Trial => ({
  ...{ backend, passed: false, losses: [] },
  error: fromNative(error).message,
});
