import { performance } from 'node:perf_hooks';
import { train } from '../../../lib/index.js';
import { sample } from '../../support/sample.js';

/** What training takes of the event loop, 0…1, and the median time between two calls of a timer that is due every 10 ms. */
async function load(): Promise<{ utilization: number; interval: number }> {
  const data = await sample(3000);
  const steps: number[] = [];
  const delays: number[] = [];
  let before: ReturnType<typeof performance.eventLoopUtilization> | undefined;
  let last = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    if (last > 0) delays.push(now - last);
    last = now;
  }, 10);
  let utilization = 1;
  const { model } = await train({
    data,
    epochs: 2,
    onStep: ({ step }) => {
      steps.push(step);
      before ??= performance.eventLoopUtilization();
    },
    onEpoch: () => {
      utilization = performance.eventLoopUtilization(before).utilization;
    },
  });
  clearInterval(timer);
  model.dispose();
  expect(steps).toHaveLength(2 * Math.ceil(3000 / 128));
  return { utilization, interval: delays.sort((a, b) => a - b)[Math.floor(delays.length / 2)]! };
}

test('the event loop is idle while steps advance, and timers fire on time', async () => {
  // On a machine that is busy otherwise the loop is kept waiting for a processor, and counts as busy then: not so in each run.
  const loads = [await load()];
  while (loads.length < 4 && loads.every(({ utilization }) => utilization >= 0.2)) loads.push(await load());
  expect(Math.min(...loads.map(({ utilization }) => utilization))).toBeLessThan(0.2);
  expect(Math.min(...loads.map(({ interval }) => interval))).toBeLessThan(50);
});
