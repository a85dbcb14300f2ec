/** From train() to the first step: what it will take is told first, how far it has come meanwhile, and an abort ends it. */

import { resolveData } from '../../../lib/data/index.js';
import { linear, sequential, train } from '../../../lib/index.js';
import { selectDevice } from '../../../lib/native/backends.js';
import type { NativeMemoryPlan } from '../../../lib/native/contract.js';
import { createSession, prepareJob } from '../../../lib/training/job.js';
import type { Observer, Preparation } from '../../../lib/training/observer.js';
import { resolveTrainOptions, type TrainOptions } from '../../../lib/training/options.js';
import { run } from '../../../lib/training/run.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';
import { isSettledAtOnce } from '../../support/turn.js';

const CLASSES = 200_000;
const DIMENSIONS = 256;
const WEIGHT_BYTES = CLASSES * DIMENSIONS * 4;

/** Over 800 MB with its gradients and Adam's moments, of which nothing is needed before the first step. */
const large = async (options: TrainOptions = {}): Promise<TrainOptions> => {
  const data = {
    images: { data: new Uint8Array(4 * 64), shape: [4, 8, 8, 1] as [number, number, number, number] },
  };
  return {
    data: { ...data, labels: Int32Array.of(0, 1, 2, CLASSES - 1) },
    model: sequential([linear({ outFeatures: DIMENSIONS })]),
    ...{ head: 'arcface', epochs: 1, batchSize: 4, device: 'cpu', progress: false, threads: 1 },
    ...options,
  };
};

/** Seeking centroids for so many classes takes half a minute or more, for 1,500 a second or more. */
const slow = async (classes = 10_000): Promise<TrainOptions> => ({
  ...(await large()),
  head: 'pedcc',
  data: {
    images: { data: new Uint8Array(64), shape: [1, 8, 8, 1] as [number, number, number, number] },
    labels: Int32Array.of(classes - 1),
  },
});

const mebibytes = () => process.memoryUsage.rss() / 2 ** 20;

test('what training will take is told before any of it is taken, and is what it takes', async () => {
  let planned: NativeMemoryPlan | undefined;
  const before = mebibytes();
  const reason = new Error('too much');
  const options = await large();
  const controller = new AbortController();
  const observer: Observer = {
    start: ({ memory }) => {
      planned = memory;
      controller.abort(reason);
    },
  };
  const settings = resolveTrainOptions({ ...options, signal: controller.signal });
  await expect(run(settings, [observer])).rejects.toBe(reason);
  expect(planned!.parameters).toBeGreaterThanOrEqual(WEIGHT_BYTES);
  expect(mebibytes() - before).toBeLessThan(WEIGHT_BYTES / 2 ** 20 / 2);

  const small = resolveTrainOptions({ data: await sample(100), model: tinyModel, epochs: 1, device: 'cpu' });
  const told: Observer = {
    start: ({ memory }) => {
      planned = memory;
    },
  };
  const { model, environment } = await run(small, [told]);
  model.dispose();
  expect(environment.memory).toEqual(planned);
});

test('how far the start has come is told until the first step', async () => {
  const told: (Preparation | 'start' | 'step')[] = [];
  const controller = new AbortController();
  const settings = resolveTrainOptions({ ...(await slow(1500)), signal: controller.signal });
  const observer: Observer = {
    start: () => told.push('start'),
    prepare: (preparation) => told.push(preparation),
    step: () => {
      told.push('step');
      controller.abort();
    },
  };
  await expect(run(settings, [observer])).rejects.toMatchObject({ name: 'AbortError' });
  expect(told[0]).toBe('start');
  expect(told.at(-1)).toBe('step');
  const drawing = told.filter((what) => typeof what === 'object' && what.stage === 'drawing weights');
  const fractions = (drawing as Preparation[]).map(({ fraction }) => fraction);
  expect(fractions.length).toBeGreaterThan(0);
  expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
  expect(fractions[0]).toBeGreaterThanOrEqual(0);
  expect(fractions.at(-1)).toBeLessThanOrEqual(1);
});

test('what an observer throws on the way to the first step ends the run', async () => {
  const fault = new Error('full disk');
  const observer: Observer = {
    prepare: () => {
      throw fault;
    },
  };
  await expect(run(resolveTrainOptions(await slow()), [observer])).rejects.toBe(fault);
});

test.each([0, 20, 300])('an abort %i ms after the memory plan is noticed at once', async (delay) => {
  const controller = new AbortController();
  const reason = new Error('stop');
  let aborted = 0;
  let atOnce: Promise<boolean> | undefined;
  const observer: Observer = {
    start: () =>
      void setTimeout(() => {
        aborted = performance.now();
        controller.abort(reason);
        atOnce = isSettledAtOnce(running);
      }, delay),
  };
  const settings = resolveTrainOptions({ ...(await slow()), signal: controller.signal });
  const running = run(settings, [observer]);
  await expect(running).rejects.toBe(reason);
  expect(await atOnce).toBe(true);
  // Nor does what follows the abort stand still until the start is done, which takes half a minute.
  expect(performance.now() - aborted).toBeLessThan(5000);
});

test.each(['arcface', 'pedcc'] as const)(
  'the native start itself ends when it is cancelled or disposed of: %s',
  async (head) => {
    const settings = resolveTrainOptions(await (head === 'pedcc' ? slow() : large()));
    const placement = await selectDevice('cpu', 1);
    const job = await prepareJob(settings, await resolveData(settings.data), placement);
    for (const end of ['cancel', 'dispose'] as const) {
      const session = createSession(job);
      const opened = session.open();
      const started = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 100));
      const ended = performance.now();
      // Milliseconds that are left, by how far it has come; it is far from its end, or this says nothing.
      const fraction = session.progress();
      expect(fraction).toBeLessThan(0.5);
      const left = ((ended - started) / fraction) * (1 - fraction);
      session[end]();
      await expect(opened).rejects.toMatchObject({ code: 'DISPOSED' });
      expect(performance.now() - ended).toBeLessThan(Math.min(left / 2, 5000));
      if (end === 'cancel') expect(session.progress()).toBeLessThan(0.5);
      session.dispose();
    }
  },
);

test('an abort does not wait for data that never come', async () => {
  const controller = new AbortController();
  const reason = new Error('no patience');
  const running = train({ data: new Promise(() => undefined), signal: controller.signal });
  setTimeout(() => controller.abort(reason), 20);
  await expect(running).rejects.toBe(reason);
});
