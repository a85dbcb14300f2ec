import { type Dataset, type Model, type TrainOptions, train } from '../../../lib/index.js';
import { Model as ModelClass } from '../../../lib/model/model.js';
import * as job from '../../../lib/training/job.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;

beforeAll(async () => {
  data = await sample(500, 100);
});

/** Long enough that only an abort ends it within the test's time. */
const endless = (options: TrainOptions = {}) =>
  train({ data, model: tinyModel, epochs: 100_000, batchSize: 16, device: 'cpu', ...options });

/** A signal that counts its listeners. */
function observed(signal: AbortSignal) {
  const listeners = { count: 0 };
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners.count++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners.count--;
    remove(...args);
  };
  return listeners;
}

test('aborted before it starts: rejects with the reason, and no callback is called', async () => {
  const reason = new Error('not today');
  const onStep = jest.fn();
  await expect(endless({ signal: AbortSignal.abort(reason), onStep })).rejects.toBe(reason);
  expect(onStep).not.toHaveBeenCalled();
});

test('aborted while data is loading', async () => {
  const controller = new AbortController();
  const reason = new Error('while loading');
  const loading = new Promise<Dataset>((resolve) => setTimeout(() => resolve(data), 50));
  const run = endless({ data: loading, signal: controller.signal });
  controller.abort(reason);
  await expect(run).rejects.toBe(reason);
});

test('aborted from outside in the middle of a chunk: rejects soon, and the listener is gone', async () => {
  const controller = new AbortController();
  const listeners = observed(controller.signal);
  const reason = { any: 'value' };
  const run = endless({ signal: controller.signal });
  run.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(listeners.count).toBe(1);
  const aborted = performance.now();
  controller.abort(reason);
  await expect(run).rejects.toBe(reason);
  expect(performance.now() - aborted).toBeLessThan(1000);
  expect(listeners.count).toBe(0);
});

test.each(['onStep', 'onEpoch'] as const)('aborted from %s', async (callback) => {
  const controller = new AbortController();
  const reason = new Error('seen enough');
  const called = jest.fn(() => controller.abort(reason));
  await expect(endless({ signal: controller.signal, [callback]: called })).rejects.toBe(reason);
  expect(called).toHaveBeenCalledTimes(1);
});

test('aborted without a reason: the AbortError of the platform', async () => {
  const controller = new AbortController();
  const run = endless({ signal: controller.signal, onStep: () => controller.abort() });
  await expect(run).rejects.toMatchObject({ name: 'AbortError' });
});

test('a timeout is a signal as any other', async () => {
  await expect(endless({ signal: AbortSignal.timeout(300) })).rejects.toMatchObject({ name: 'TimeoutError' });
});

test('aborted while the test samples are scored', async () => {
  const controller = new AbortController();
  const reason = new Error('late');
  const run = train({
    data: await sample(100, 1000),
    epochs: 1,
    signal: controller.signal,
    onEpoch: () => void setTimeout(() => controller.abort(reason), 5),
  });
  await expect(run).rejects.toBe(reason);
});

test('aborted after completion: nothing happens, and the model stays usable', async () => {
  const controller = new AbortController();
  const listeners = observed(controller.signal);
  const { model } = await train({ data, model: tinyModel, epochs: 1, signal: controller.signal });
  controller.abort();
  expect((await model.predict(data.test!.images)).labels).toHaveLength(100);
  expect(listeners.count).toBe(0);
  model.dispose();
});

test('an abort ends what the core computes, between two of its steps', async () => {
  const controller = new AbortController();
  let cancel = jest.fn();
  const original = job.createSession;
  const made = jest.spyOn(job, 'createSession').mockImplementation((given) => {
    const session = original(given);
    cancel = jest.fn(session.cancel.bind(session));
    return Object.defineProperty(session, 'cancel', { value: cancel });
  });
  const run = endless({ signal: controller.signal });
  run.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(cancel).not.toHaveBeenCalled();
  controller.abort();
  expect(cancel).toHaveBeenCalledTimes(1);
  await expect(run).rejects.toMatchObject({ name: 'AbortError' });
  made.mockRestore();
});

test('many runs on one signal: one listener, which all hear', async () => {
  const controller = new AbortController();
  const listeners = observed(controller.signal);
  const reason = new Error('all of you');
  const runs = Array.from({ length: 12 }, () => endless({ signal: controller.signal, threads: 1 }));
  const ends = Promise.allSettled(runs);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { count } = listeners;
  controller.abort(reason);
  expect(await ends).toEqual(runs.map(() => ({ status: 'rejected', reason })));
  expect([count, listeners.count]).toEqual([1, 0]);
});

describe('a run that diverged', () => {
  afterEach(() => jest.restoreAllMocks());

  /** The run, with something put before the end of its training. */
  const diverged = (before: () => void, signal?: AbortSignal) => {
    const original = job.createSession;
    jest.spyOn(job, 'createSession').mockImplementation((given) => {
      const session = original(given);
      const end = session.endTraining.bind(session);
      const endTraining = async () => {
        before();
        await end();
      };
      return Object.defineProperty(session, 'endTraining', { value: endTraining });
    });
    return endless({
      optimizer: { type: 'sgd', momentum: 0 },
      learningRate: ({ step }) => (step === 3 ? 1e38 : 1e-3),
      ...(signal && { signal }),
    });
  };

  test('hands its model over, for the caller to use and to dispose of', async () => {
    const model = (await refusal(() => diverged(() => undefined))).details.model as Model;
    expect((await model.predict(data.test!.images)).labels).toHaveLength(100);
    model.dispose();
  });

  test('aborted while its training is ended: the model, which nobody gets, is disposed', async () => {
    const controller = new AbortController();
    const reason = new Error('at the last moment');
    const dispose = jest.spyOn(ModelClass.prototype, 'dispose');
    await expect(diverged(() => controller.abort(reason), controller.signal)).rejects.toBe(reason);
    expect(dispose).toHaveBeenCalledTimes(1);
  });

  test('what its end fails of hides nothing, and the model is disposed', async () => {
    const error = await refusal(() =>
      diverged(() => {
        throw new Error('no end');
      }),
    );
    expect(error.code).toBe('NON_FINITE');
    expect((await refusal(() => (error.details.model as Model).summary())).code).toBe('DISPOSED');
  });
});

test('two runs at once: the abort of one leaves the other alone', async () => {
  const controller = new AbortController();
  const aborted = endless({ signal: controller.signal, onEpoch: () => controller.abort() });
  const other = train({ data, model: tinyModel, epochs: 5 });
  await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
  const { model, history } = await other;
  model.dispose();
  expect(history).toHaveLength(5);
});
