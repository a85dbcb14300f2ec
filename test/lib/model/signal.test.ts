/** predict, embed and evaluate in parts: what they compute, and how they end early. */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { type Dataset, type ImageInput, type Model, models, train } from '../../../lib/index.js';
import { inferRows } from '../../../lib/model/inference.js';
import { refusal } from '../../support/refusal.js';
import { first, sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';
import { isSettledAtOnce } from '../../support/turn.js';

let data: Dataset;
let model: Model;
/** A network that takes minutes for `many`. */
let slow: Model;
let many: ImageInput;
let split: { images: ImageInput; labels: Int32Array };

beforeAll(async () => {
  data = await sample(64, 100);
  const options = { data, epochs: 1, batchSize: 32, device: 'cpu', progress: false } as const;
  model = (await train({ ...options, model: tinyModel, head: 'arcface', s: 8 })).model;
  const few = { data: await sample(4), batchSize: 4, model: models.resnet18({ imageSize: 32 }) };
  slow = (await train({ ...options, ...few })).model;
  const count = 20_000;
  const pixels = new Uint8Array(count * 784).map((_, i) => (i * 7919) % 256);
  many = { data: pixels, shape: [count, 28, 28, 1] };
  split = { images: many, labels: new Int32Array(count) };
});

afterAll(() => {
  model.dispose();
  slow.dispose();
});

type Call = (model: Model, signal?: AbortSignal) => Promise<unknown>;
const options = (signal?: AbortSignal) => (signal === undefined ? {} : { signal });
const CALLS: [string, Call][] = [
  ['predict', (of, signal) => of.predict(many, options(signal))],
  ['embed', (of, signal) => of.embed(many, options(signal))],
  ['evaluate', (of, signal) => of.evaluate(split, options(signal))],
];

describe.each(CALLS)('%s', (_, call) => {
  test('rejects with the reason at once, whatever the network; the model stays usable', async () => {
    const controller = new AbortController();
    const reason = { any: 'value' };
    const work = call(slow, controller.signal);
    work.catch(() => undefined);
    await sleep(300);
    const aborted = performance.now();
    controller.abort(reason);
    expect(await isSettledAtOnce(work)).toBe(true);
    await expect(work).rejects.toBe(reason);
    // What was under way ends soon: the rest of the images, which would take minutes, was not.
    const { labels } = await slow.predict(first(data.test!, 2).images);
    expect(labels).toHaveLength(2);
    expect(performance.now() - aborted).toBeLessThan(10_000);
  });

  test('does not begin where it is aborted already', async () => {
    const reason = new Error('not today');
    await expect(call(model, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  test('a signal that stays calm changes nothing, and is left without listeners', async () => {
    const { signal } = new AbortController();
    const add = jest.spyOn(signal, 'addEventListener');
    const remove = jest.spyOn(signal, 'removeEventListener');
    expect(await call(model, signal)).toEqual(await call(model));
    expect(add).toHaveBeenCalled();
    expect(remove).toHaveBeenCalledTimes(add.mock.calls.length);
  });

  test('many at once on one signal are one listener', async () => {
    const { signal } = new AbortController();
    const add = jest.spyOn(signal, 'addEventListener');
    const few = first(data.test!, 2);
    const calls = Array.from({ length: 12 }, () => model.predict(few.images, { signal }));
    await setImmediate(); // until each has begun
    expect(add).toHaveBeenCalledTimes(1);
    await Promise.all(calls);
  });

  test('a model that is disposed meanwhile says so', async () => {
    const { model: own } = await train({ data, model: tinyModel, epochs: 1, batchSize: 32 });
    const work = refusal(() => call(own));
    await sleep(1);
    own.dispose();
    const error = await work;
    expect(error.code).toBe('DISPOSED');
    expect(error.message).toContain('This model was disposed');
  });
});

test('parts are what one call is, bit by bit, and each image is in its place', async () => {
  const { probabilities, cosines, labels } = await model.predict(many);
  const { data: embeddings } = await model.embed(many);
  for (const start of [0, 8064, 8192, 19_968]) {
    const count = Math.min(128, 20_000 - start);
    const part: ImageInput = {
      data: many.data.subarray(start * 784, (start + count) * 784),
      shape: [count, 28, 28, 1],
    };
    const alone = await model.predict(part);
    expect(alone.labels).toEqual(labels.subarray(start, start + count));
    expect(alone.probabilities).toEqual(probabilities.subarray(10 * start, 10 * (start + count)));
    expect(alone.cosines).toEqual(cosines!.subarray(10 * start, 10 * (start + count)));
    expect((await model.embed(part)).data).toEqual(embeddings.subarray(16 * start, 16 * (start + count)));
  }
});

test('classCentres: by a signal, and by the end of the model', async () => {
  const { signal } = new AbortController();
  expect(await model.classCentres({ signal })).toEqual(await model.classCentres());
  const reason = new Error('not today');
  await expect(model.classCentres({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const { model: own } = await train({ data, model: tinyModel, epochs: 1, batchSize: 32, head: 'arcface' });
  const work = refusal(() => own.classCentres());
  own.dispose();
  expect((await work).message).toContain('This model was disposed');
});

test('each call on a model that has ended has an error of its own, whose stack says where', async () => {
  const { model: own } = await train({ data, model: tinyModel, epochs: 1, batchSize: 32 });
  own.dispose();
  const [one, other] = [await refusal(() => own.summary()), await refusal(() => own.predict(many))];
  expect(one).not.toBe(other);
  expect(one.stack).toContain('Model.summary');
  expect(other.stack).toContain('Model.predict');
});

test('outputs that no memory can hold are refused, with what they would take', async () => {
  const { images } = first(data.test!, 2);
  const error = await refusal(() => inferRows({} as never, images, new Map([['embeddings', 2 ** 40]]), {}));
  expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', details: { needed: 2 ** 43 } });
  expect(error.message).toContain('the embeddings of 2 images');
});

test('the event loop goes on meanwhile', async () => {
  // What is computed in one call on another thread: on this one, no timer would fire before its end.
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await slow.predict({ data: many.data.subarray(0, 128 * 784), shape: [128, 28, 28, 1] });
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(2);
});

test.each<[string, (given: never) => Promise<unknown>]>([
  ['predict', (given) => model.predict(data.test!.images, given)],
  ['embed', (given) => model.embed(data.test!.images, given)],
  ['evaluate', (given) => model.evaluate(data.test!, given)],
  ['classCentres', (given) => model.classCentres(given)],
  ['logitStatistics', (given) => model.logitStatistics(data.test!.images, given)],
])('%s refuses options that there are not, and signals that are none', async (_, call) => {
  for (const given of [
    { signl: new AbortController().signal },
    { signal: 'stop' },
    { signal: null },
    7,
    new AbortController().signal,
  ]) {
    expect((await refusal(() => call(given as never))).code).toBe('INVALID_OPTION');
  }
  expect((await refusal(() => call({ signl: 1 } as never))).message).toContain("Did you mean 'signal'?");
});
