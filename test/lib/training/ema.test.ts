/** The moving average of the weights, as `train()` has it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { usingFile } from '../../../lib/files/tensorFile.js';
import { type Dataset, Model, type TrainOptions, train } from '../../../lib/index.js';
import { sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const DECAY = 0.8;
const STEPS = 5;

let data: Dataset;
const inFolder = temporaryFolder();

beforeAll(async () => {
  data = await sample(100, 20);
});

const run = (options: TrainOptions) =>
  train({
    data,
    model: tinyModel,
    head: 'arcface',
    steps: STEPS,
    batchSize: 32,
    device: 'cpu',
    deterministic: true,
    learningRate: { type: 'constant', value: 0.01 },
    ...options,
  });

/** All tensors of a file. */
const tensorsOf = (path: string) =>
  usingFile(path, async (file) => {
    const names = [...file.tensors.keys()];
    return new Map(await Promise.all(names.map(async (name) => [name, await file.floats(name)] as const)));
  });

async function weightsAfter(options: TrainOptions): Promise<Map<string, Float32Array>> {
  const { model } = await run(options);
  const path = inFolder('model.safetensors');
  await model.save(path);
  model.dispose();
  return tensorsOf(path);
}

test('the model is the mean of what the steps left, each counting less the older it is', async () => {
  const averaged = await weightsAfter({ ema: DECAY });
  const sums = new Map<string, Float64Array>();
  let weight = 0;
  for (let step = 1; step <= STEPS; step++) {
    weight = DECAY * weight + 1;
    for (const [name, values] of await weightsAfter({ steps: step })) {
      const sum = sums.get(name) ?? new Float64Array(values.length);
      sums.set(
        name,
        sum.map((each, i) => DECAY * each + values[i]!),
      );
    }
  }
  expect([...averaged.keys()].sort()).toEqual([...sums.keys()].sort());
  for (const [name, values] of averaged) {
    const expected = sums.get(name)!.map((sum) => sum / weight);
    const farthest = Math.max(...values.map((value, i) => Math.abs(value - expected[i]!)));
    expect({ name, isNear: farthest < 1e-6 }).toEqual({ name, isNear: true });
  }
});

test('steps are those of a run without, and what is scored is the average', async () => {
  const losses: number[][] = [[], []];
  const results = await Promise.all(
    [{}, { ema: 0.99 }].map((options, index) =>
      run({ ...options, validation: 0.2, onStep: ({ loss }) => losses[index]!.push(loss) }),
    ),
  );
  const [plain, averaged] = results as [(typeof results)[0], (typeof results)[0]];
  expect(losses[1]).toEqual(losses[0]);
  expect(averaged.history[0]!.validation!.loss).not.toBe(plain.history[0]!.validation!.loss);
  expect(averaged.test!.loss).toBe((await averaged.model.evaluate(data.test!)).loss);
  expect(averaged.test!.loss).not.toBe(plain.test!.loss);
  expect(averaged.options.ema).toBe(0.99);
  expect(plain.options).not.toHaveProperty('ema');
  for (const { model } of results) model.dispose();
});

test('a checkpoint holds both, and loads as the average', async () => {
  const checkpoint = inFolder('run');
  const { model } = await run({ ema: DECAY, checkpoint });
  const [path] = readdirSync(checkpoint).filter((name) => name.endsWith(`step-${STEPS}.safetensors`));
  const tensors = await tensorsOf(join(checkpoint, path!));
  const trained = await weightsAfter({});
  for (const [name, values] of trained) expect(tensors.get(`trained:${name}`)).toEqual(values);
  const loaded = await Model.load(join(checkpoint, path!), { device: 'cpu' });
  expect((await loaded.evaluate(data.test!)).loss).toBe((await model.evaluate(data.test!)).loss);
  loaded.dispose();
  model.dispose();
});
