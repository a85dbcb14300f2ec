import { performance } from 'node:perf_hooks';
import { train } from '../../../lib/index.js';
import { sample } from '../../support/sample.js';

test('the event loop is idle while steps advance, and timers fire on time', async () => {
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
  expect(utilization).toBeLessThan(0.2);
  // The machine may be busy otherwise: only a loop that stood still for many steps is our fault.
  expect(delays.sort((a, b) => a - b)[Math.floor(delays.length / 2)]).toBeLessThan(50);
});
