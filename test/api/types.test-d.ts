/** What must compile, and what must not: checked by `tsc`, never run. */
import {
  headLoss,
  type Model,
  models,
  relu,
  type Schedule,
  schedules,
  sequential,
  type TrainOptions,
  type TrainResult,
  train,
} from '../../lib/index.js';

export async function compiles(): Promise<void> {
  await train();
  await train({});
  await train({ bias: false });
  await train({ head: 'softmax', bias: false, labelSmoothing: 0.1, featureDropout: 0.5 });
  await train({
    head: 'arcface',
    m: 0.5,
    s: 'auto',
    wrap: 'linear',
    gradient: 'detached',
    marginWarmup: 0.1,
  });
  await train({ head: 'arcface', s: { learn: true } });
  await train({ model: models.seedCnn({ embeddingSize: 128 }), optimizer: { type: 'sgd', nesterov: true } });
  await train({ learningRate: schedules.cosine({ base: 0.1, warmup: 100 }) });
  await train({ learningRate: ({ step, steps }) => 0.1 * (1 - step / steps) });
  await train({
    onEpoch: ({ validation }, controls) => validation && validation.accuracy > 0.9 && controls.stop(),
  });
  await train({ onStep: async ({ loss }) => console.log(loss.toFixed(3)) });

  const options: TrainOptions = { head: 'arcface', m: 0.3, epochs: 2 };
  const result: TrainResult = await train(options);
  await train(result.options);
  const model: Model = result.model;
  // Not every data set has test samples.
  const accuracy: number | undefined = result.test?.accuracy;
  const schedule: Schedule = result.options.learningRate as Schedule;
  return void [model, accuracy, schedule];
}

export async function doesNotCompile(arrays: {
  features: Float32Array;
  weights: Float32Array;
  labels: Int32Array;
}) {
  // @ts-expect-error softmax has no margin
  await train({ head: 'softmax', m: 0.5 });
  // @ts-expect-error neither has the default head
  await train({ m: 0.5 });
  // @ts-expect-error nor a scale
  await train({ s: 30 });
  // @ts-expect-error arcface has no bias
  await train({ head: 'arcface', bias: true });
  // @ts-expect-error there is no such head
  await train({ head: 'arcFace' });
  // @ts-expect-error a margin is a number
  await train({ head: 'arcface', m: '0.5' });
  // @ts-expect-error a scale is learned or not given as an object
  await train({ head: 'arcface', s: { learn: false } });
  // @ts-expect-error a misspelt option
  await train({ lerningRate: 0.1 });
  // @ts-expect-error sgd has no beta1
  await train({ optimizer: { type: 'sgd', beta1: 0.9 } });
  // @ts-expect-error the only precision of this version is fp32
  await train({ precision: 'bf16' });
  // @ts-expect-error predict takes no labels
  await (await train()).model.predict({ data: new Uint8Array(1), shape: [1, 1, 1, 1] }, arrays.labels);
  // @ts-expect-error accuracy is missing where there are no test samples
  (await train()).test.accuracy;
  // @ts-expect-error a layer is no string
  sequential([relu(), 'relu']);

  const inputs = { ...arrays, numClasses: 10, embeddingSize: 4 };
  await headLoss({ head: 'arcface', m: 0.5, ...inputs });
  await headLoss({ ...inputs, bias: new Float32Array(10) });
  // @ts-expect-error a single evaluation has no dropout
  await headLoss({ ...inputs, featureDropout: 0.5 });
  // @ts-expect-error labels are needed
  await headLoss({ features: arrays.features, weights: arrays.weights, numClasses: 10, embeddingSize: 4 });
}
