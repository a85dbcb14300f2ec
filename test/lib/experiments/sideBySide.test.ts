/** Several tasks at once: how many, what becomes of one that has no memory, and of failures. */
import { setTimeout } from 'node:timers/promises';
import { MarginCoreError } from '../../../lib/base/errors.js';
import { sideBySide, type Task } from '../../../lib/experiments/sideBySide.js';

function counted() {
  const seen = { running: 0, most: 0, ended: [] as number[] };
  const task =
    (number: number, body: (signal: AbortSignal) => Promise<unknown> = () => setTimeout(5)): Task =>
    async (signal) => {
      seen.running++;
      seen.most = Math.max(seen.most, seen.running);
      try {
        await body(signal);
        seen.ended.push(number);
      } finally {
        seen.running--;
      }
    };
  return { seen, task };
}

test('as many at once as may be, begun in their order', async () => {
  const { seen, task } = counted();
  await sideBySide(
    [0, 1, 2, 3, 4, 5, 6].map((number) => task(number)),
    3,
  );
  expect(seen.most).toBe(3);
  expect(seen.ended.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  const alone = counted();
  await sideBySide([alone.task(0), alone.task(1)], 1);
  expect(alone.seen).toMatchObject({ most: 1, ended: [0, 1] });
});

test('one without memory beside others is begun again when there are fewer; alone, it is a failure', async () => {
  const { seen, task } = counted();
  const full = new MarginCoreError('OUT_OF_MEMORY', 'full');
  const needsAll = task(1, async () => {
    if (seen.running > 1) throw full;
  });
  await sideBySide([task(0), needsAll, task(2), task(3)], 2);
  expect(seen.most).toBe(2);
  expect(seen.ended).toEqual([0, 1, 2, 3]);
  const never = async () => {
    throw full;
  };
  await expect(sideBySide([never, task(4)], 2)).rejects.toBe(full);
});

test('the first failure ends those that run, begins no other, and waits until nothing runs', async () => {
  const { seen, task } = counted();
  const failure = new Error('broken');
  const other = task(0, (signal) => setTimeout(60_000, undefined, { signal }));
  const broken = task(1, async () => {
    await setTimeout(5);
    throw failure;
  });
  await expect(sideBySide([other, broken, task(2)], 2)).rejects.toBe(failure);
  expect(seen).toMatchObject({ running: 0, ended: [] });
});

test("an abort ends all with the caller's reason", async () => {
  const { seen, task } = counted();
  const stop = new AbortController();
  const reason = new Error('enough');
  const waits = (number: number) =>
    task(number, async (signal) => {
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
  const done = sideBySide([waits(0), waits(1), waits(2)], 2, stop.signal);
  stop.abort(reason);
  await expect(done).rejects.toBe(reason);
  expect(seen.running).toBe(0);
  await expect(sideBySide([task(0)], 1, AbortSignal.abort(reason))).rejects.toBe(reason);
});
