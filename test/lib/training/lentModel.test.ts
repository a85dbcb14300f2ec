/** The model that `onEpoch` is lent: what it computes, what it leaves alone, and when it ends. */
import {
  type Dataset,
  type EpochControls,
  type Model,
  type TrainOptions,
  train,
} from '../../../lib/index.js';
import { BACKENDS, reportMissing, whyMissing } from '../../support/backends.js';
import { refusal } from '../../support/refusal.js';
import { first, sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;

beforeAll(async () => {
  data = await sample(130, 150);
});

const timeless = <T extends { seconds: number; imagesPerSecond: number }>(history: readonly T[]) =>
  history.map(({ seconds: _, imagesPerSecond: __, ...record }) => record);

describe.each(BACKENDS)('%s', (device) => {
  const why = whyMissing(device);
  if (why !== '') return reportMissing(device, why);
  const run = (options: TrainOptions = {}) =>
    train({
      ...{ data, model: tinyModel, device, threads: 1, batchSize: 32, epochs: 3, learningRate: 0.01 },
      ...{ deterministic: true, progress: false },
      ...options,
    });

  test.each<TrainOptions>([
    { head: 'arcface', s: 8, featureDropout: 0.2, auxiliary: 'center' },
    { head: 'scaled-bn', validation: 0.2 },
  ])('whatever it computes, training is the same, bit by bit: %j', async (options) => {
    const answers: unknown[] = [];
    const onEpoch = async (_: unknown, { model }: EpochControls) => {
      // Batches smaller and larger than those of training, and several calls at once.
      answers.push(
        await Promise.all([
          model.predict(data.test!.images),
          model.embed(first(data.test!, 3).images),
          model.evaluate(data.test!, { confusion: true }),
        ]),
      );
    };
    const [plain, watched] = [await run(options), await run({ ...options, onEpoch })];
    expect(answers).toHaveLength(3);
    expect(timeless(watched.history)).toEqual(timeless(plain.history));
    expect(watched.test).toEqual(plain.test);
    const embeddings = ({ model }: { model: Model }) => model.embed(data.test!.images, { normalize: false });
    expect(await embeddings(watched)).toEqual(await embeddings(plain));
    for (const { model } of [plain, watched]) model.dispose();
  });

  test('it has the weights of the moment: what validation found, and at the end what the result has', async () => {
    const validation = first(data.test!, 100);
    const scores: unknown[] = [];
    const predictions: unknown[] = [];
    const { model, history } = await run({
      ...{ head: 'arcface', s: 8, validation },
      onEpoch: async (_, controls) => {
        scores.push(await controls.model.evaluate(validation));
        predictions.push(await controls.model.predict(validation.images));
      },
    });
    expect(scores).toEqual(history.map((record) => record.validation));
    expect(predictions[2]).toEqual(await model.predict(validation.images));
    expect(predictions[1]).not.toEqual(predictions[2]);
    model.dispose();
  });
});

const quick = (options: TrainOptions) =>
  train({ data, model: tinyModel, device: 'cpu', epochs: 2, progress: false, ...options });

test('it knows what the model of the result knows', async () => {
  const seen: unknown[] = [];
  const describe = (model: Model) => [model.classNames, model.head, model.input, model.summary().parameters];
  const { model } = await quick({ onEpoch: (_, controls) => void seen.push(describe(controls.model)) });
  expect(seen).toEqual([describe(model), describe(model)]);
  model.dispose();
});

test('after the callback it ends, and says so; the model of the result goes on', async () => {
  const lent: Model[] = [];
  const { model } = await quick({
    head: 'arcface',
    onEpoch: (_, controls) => void lent.push(controls.model),
  });
  expect(lent).toHaveLength(2);
  const { images } = data.test!;
  for (const old of lent) {
    for (const call of [
      () => old.predict(images),
      () => old.embed(images),
      () => old.evaluate(data.test!),
      () => old.classCentres(),
      () => old.summary(),
    ]) {
      const error = await refusal(call);
      expect(error.code).toBe('DISPOSED');
      expect(error.message).toContain('lent to onEpoch');
    }
    old.dispose();
  }
  expect((await model.predict(images)).labels).toHaveLength(150);
  model.dispose();
});

test('whoever disposes it ends the loan alone', async () => {
  const { model, history } = await quick({
    onEpoch: async (_, controls) => {
      controls.model.dispose();
      expect((await refusal(() => controls.model.summary())).code).toBe('DISPOSED');
    },
  });
  expect(history).toHaveLength(2);
  expect((await model.predict(data.test!.images)).labels).toHaveLength(150);
  model.dispose();
});

test('a prediction that nobody waited for ends with the callback, and training goes on', async () => {
  const images = { data: new Uint8Array(40_000 * 784), shape: [40_000, 28, 28, 1] as const };
  const left: Promise<unknown>[] = [];
  const { model, history } = await quick({
    onEpoch: (_, controls) => void left.push(refusal(() => controls.model.predict(images))),
  });
  expect(history).toHaveLength(2);
  for (const end of left) {
    expect(await end).toMatchObject({
      code: 'DISPOSED',
      message: expect.stringContaining('await in the callback'),
    });
  }
  model.dispose();
});

test('the abort of the run rejects with its reason, also where the call was given no signal', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const images = { data: new Uint8Array(40_000 * 784), shape: [40_000, 28, 28, 1] as const };
  const ends: unknown[] = [];
  const run = quick({
    signal: controller.signal,
    onEpoch: async (_, { model }) => {
      const work = model.predict(images);
      work.catch((error) => ends.push(error));
      controller.abort(reason);
      await work;
    },
  });
  await expect(run).rejects.toBe(reason);
  expect(ends).toEqual([reason]);
  expect(ends[0]).toBe(reason);
});

test('controls.stop() is beside it, and works out of its object', async () => {
  const { model, history } = await quick({
    epochs: 50,
    onEpoch: async (_, { stop, model: lent }) => {
      if ((await lent.evaluate(data.test!)).loss > 0) stop();
    },
  });
  expect(history).toHaveLength(1);
  model.dispose();
});

test('what the callback throws rejects, and the model it was lent has ended', async () => {
  const lent: Model[] = [];
  const fault = new Error('enough');
  const run = quick({
    onEpoch: (_, controls) => {
      lent.push(controls.model);
      throw fault;
    },
  });
  await expect(run).rejects.toBe(fault);
  expect((await refusal(() => lent[0]!.summary())).code).toBe('DISPOSED');
});
