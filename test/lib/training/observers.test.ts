/** Observers: told in their order, awaited, and what they throw ends the run. */

import * as diagnoses from '../../../lib/diagnoses/diagnose.js';
import { train } from '../../../lib/index.js';
import { type Observer, Observers } from '../../../lib/training/observer.js';
import { resolveTrainOptions } from '../../../lib/training/options.js';
import { run } from '../../../lib/training/run.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

/** Writes down what it is told. */
function recorder(log: string[], name: string, changes: Observer = {}): Observer {
  return {
    start: ({ samples, steps }) => log.push(`${name} start ${samples} ${steps}`),
    step: ({ step }) => log.push(`${name} step ${step}`),
    epoch: ({ epoch }) => log.push(`${name} epoch ${epoch}`),
    notice: ({ message }) => log.push(`${name} notice ${message.slice(0, 20)}`),
    end: (outcome) => log.push(`${name} end ${'error' in outcome ? outcome.error : 'well'}`),
    ...changes,
  };
}

const settings = async () =>
  resolveTrainOptions({
    data: await sample(40, 10),
    model: tinyModel,
    batchSize: 20,
    epochs: 2,
    device: 'cpu',
  });

test('all are told of all, one after another', async () => {
  const log: string[] = [];
  const slow = recorder(log, 'a', {
    epoch: async ({ epoch }) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      log.push(`a epoch ${epoch}`);
    },
  });
  const { model } = await run(await settings(), [slow, {}, recorder(log, 'b')]);
  model.dispose();
  expect(log).toEqual(
    ['start 40 4', 'step 1', 'step 2', 'epoch 1', 'step 3', 'step 4', 'epoch 2', 'end well'].flatMap(
      (what) => [`a ${what}`, `b ${what}`],
    ),
  );
});

test.each(['start', 'step', 'epoch'] as const)(
  'what one throws at %s ends the run, and all learn of it',
  async (when) => {
    const log: string[] = [];
    const fault = new Error('full disk');
    const failing: Observer = {
      [when]: () => {
        throw fault;
      },
    };
    await expect(run(await settings(), [recorder(log, 'a'), failing])).rejects.toBe(fault);
    expect(log.filter((line) => line.includes('end'))).toEqual(['a end Error: full disk']);
  },
);

test('what one throws while it learns of a failure does not hide the reason, nor keep it from others', async () => {
  const log: string[] = [];
  const fault = new Error('full disk');
  const failing: Observer = {
    epoch: () => {
      throw fault;
    },
    end: () => {
      throw new Error('and no farewell');
    },
  };
  await expect(run(await settings(), [failing, recorder(log, 'a')])).rejects.toBe(fault);
  expect(log.filter((line) => line.includes('end'))).toEqual(['a end Error: full disk']);
});

test('what one throws at the end of a run that went well rejects, and all learn of the end once', async () => {
  const log: string[] = [];
  const failing: Observer = {
    end: () => {
      throw new Error('full disk');
    },
  };
  const list = [recorder(log, 'a'), failing, recorder(log, 'b')];
  await expect(run(await settings(), list)).rejects.toThrow('full disk');
  expect(log.filter((line) => line.includes('end'))).toEqual(['a end well', 'b end well']);
});

test('data that cannot be loaded ends a run that has not started', async () => {
  const log: string[] = [];
  const missing = resolveTrainOptions({ data: 'nowhere/at/all' });
  await expect(run(missing, [recorder(log, 'a')])).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  expect(log).toEqual([expect.stringMatching(/^a end MarginCoreError: nowhere/)]);
});

test('a notice reaches all observers, and the result', async () => {
  const log: string[] = [];
  const given = { ...(await settings()), ...resolveTrainOptions({ head: 'softmax', marginWarmup: 0.5 }) };
  const { model, notes } = await run({ ...given, data: await sample(40), model: tinyModel, epochs: 1 }, [
    recorder(log, 'a'),
    recorder(log, 'b'),
  ]);
  model.dispose();
  expect(log.filter((line) => line.includes('marginWarmup'))).toHaveLength(2);
  expect(notes).toContainEqual({
    code: 'NO_MARGIN',
    message: expect.stringContaining('marginWarmup has no effect'),
  });
});

test('what a callback throws keeps no diagnosis from the display', async () => {
  jest.spyOn(diagnoses, 'diagnose').mockReturnValue([{ name: 'guessing', message: 'All is chance' }]);
  const log: string[] = [];
  const fault = new Error('enough');
  const callback: Observer = {
    epoch: () => {
      throw fault;
    },
  };
  await expect(run(await settings(), [recorder(log, 'a')], callback)).rejects.toBe(fault);
  jest.restoreAllMocks();
  expect(log).toContain('a notice guessing: All is cha');
});

test('a list of none is an observer of nothing', async () => {
  await new Observers([]).end({ error: new Error() });
});

test('callbacks are told after the display, before the run goes on', async () => {
  const seen: number[] = [];
  const { model, history } = await train({
    ...{ data: await sample(40), model: tinyModel, batchSize: 20, epochs: 1, progress: false },
    onEpoch: async ({ epoch }) => {
      await Promise.resolve();
      seen.push(epoch);
    },
  });
  model.dispose();
  expect(seen).toEqual(history.map(({ epoch }) => epoch));
});
