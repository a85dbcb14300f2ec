import { type Dataset, type TrainOptions, train } from '../../../lib/index.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;

beforeAll(async () => {
  data = await sample(300, 100);
});

/** Everything a run computes: losses and gradient norms of all steps, and the predictions of its model. */
async function outcome(options: TrainOptions) {
  const steps: number[][] = [];
  const result = await train({
    data,
    model: tinyModel,
    epochs: 2,
    batchSize: 32,
    featureDropout: 0.2,
    device: 'cpu',
    deterministic: true,
    ...options,
    onStep: ({ loss, gradientNorm, accuracy }) => steps.push([loss, gradientNorm, accuracy]),
  });
  using model = result.model;
  return {
    steps,
    predictions: await model.predict(data.test!.images),
    test: result.test,
    options: result.options,
  };
}

test.each<[string, TrainOptions]>([
  ['the default threads', { head: 'arcface' }],
  ['5 threads', { head: 'arcface', threads: 5 }],
  ['one thread', { threads: 1 }],
])('the same seed gives the same bits with %s', async (_, options) => {
  const first = await outcome(options);
  expect(await outcome(options)).toEqual(first);
});

test('so does the default network with 5 threads', async () => {
  const once = async () => {
    const losses: number[] = [];
    const { model } = await train({
      data,
      epochs: 1,
      head: 'arcface',
      device: 'cpu',
      threads: 5,
      deterministic: true,
      onStep: ({ loss }) => losses.push(loss),
    });
    model.dispose();
    return losses;
  };
  expect(await once()).toEqual(await once());
});

test('another seed gives another run', async () => {
  const first = await outcome({ seed: 1 });
  expect((await outcome({ seed: 2 })).steps).not.toEqual(first.steps);
});

test('the options of a result repeat the run', async () => {
  const first = await outcome({ head: 'arcface', s: 'auto', labelSmoothing: 0.1, seed: 7 });
  const again = await outcome(JSON.parse(JSON.stringify(first.options)));
  expect(again).toEqual(first);
});

test('how many steps run in one call does not change what they compute', async () => {
  const inGroups = await outcome({ batchSize: 8 });
  // With a clock that leaps ahead every step seems to take long, and runs in a call of its own.
  let time = 0;
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => (time += 1e6));
  const oneByOne = await outcome({ batchSize: 8 });
  clock.mockRestore();
  expect(oneByOne).toEqual(inGroups);
});
