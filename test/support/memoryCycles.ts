/**
 * Whether a process that trains and disposes of models again and again grows: the program of a process of its own, which
 * prints a JSON object.
 */
import { models, train } from '../../lib/index.js';
import { settled } from './memoryRun.js';
import { sample } from './sample.js';

/** Resident MiB, without what JavaScript has not collected yet. */
export interface Sizes {
  /** After the first cycles, in which allocators take what they keep */
  before: number;
  /** After twice as many more */
  after: number;
}

/** What it may be more, as a share. */
export const GROWTH = 0.03;

export async function measureCycles(): Promise<void> {
  const data = await sample(64);
  const cycles = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const options = {
        batchSize: 32,
        epochs: 1,
        device: 'cpu',
        progress: false,
        threads: 1 + (i % 3),
      } as const;
      const { model } = await train({ data, model: models.seedCnn({ embeddingSize: 64 }), ...options });
      model.dispose();
    }
    globalThis.gc!();
  };
  await cycles(50);
  const before = await settled(0);
  await cycles(100);
  const sizes: Sizes = { before, after: await settled(before) };
  console.log(JSON.stringify(sizes));
}
