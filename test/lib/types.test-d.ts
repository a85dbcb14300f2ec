/** What must compile, and what must not: checked by `tsc`, never run. */
import {
  batchNorm,
  concat,
  conv2d,
  datasets,
  findLearningRate,
  globalAveragePool,
  headLoss,
  linear,
  type Model,
  models,
  prelu,
  relu,
  residual,
  type Schedule,
  schedules,
  sequential,
  type TrainOptions,
  type TrainResult,
  train,
} from '../../lib/index.js';

const split = { images: { data: new Uint8Array(1), shape: [1, 1, 1, 1] as const }, labels: [0] };

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
  await train({ head: 'l2-softmax', alpha: { learn: true, init: 16 }, l2Scope: 'batch', bias: false });
  await train({ head: 'normface', s: 'auto' });
  await train({ head: 'l-softmax', m: 2, lambda: { base: 1000, gamma: 2.5e-5, power: 35 } });
  await train({ head: 'a-softmax', lambda: { base: 1000, until: 0.5, min: 5 } });
  await train({ head: 'sphereface', lambda: 'sphereface' });
  await train({ head: 'am-softmax', m: 0.35, s: 30 });
  await train({ head: 'combined', m1: 1.2, m2: 0.3, m3: 0.1 });
  await train({ head: 'pedcc', m: 0.35, s: 7.5, weight: 1 });
  await train({ head: 'center', weight: 0.01, rate: 0.5, bias: false });
  await train({ head: 'scaled-bn', m: 0.9, epsilon: 1e-5 });
  await train({ head: 'l2', alpha: 10 });
  await train({ head: 'cosface', m: 0.2 });
  await train({ head: 'sbn', auxiliary: { type: 'center', weight: 0.1 } });
  await train({ head: 'arcface', logitNormalizer: { type: 'scaled-bn', m: 0.9 }, auxiliary: 'center' });
  await train({ logitNormalizer: 'scaled-bn' });
  await train({
    onEpoch: ({ head, margin, lambda, pastPi, diagnoses }) =>
      console.log(head.targetAngle[1], margin?.m2, lambda + pastPi, diagnoses[0]?.name),
  });
  await train({ model: models.seedCnn({ embeddingSize: 128 }), optimizer: { type: 'sgd', nesterov: true } });
  await train({ model: models.resnet18({ imageSize: 32, embeddingSize: 512 }), head: 'arcface' });
  await train({ model: models.vgg16({ imageSize: 64, dropout: 0 }) });
  await train({ model: models.lSoftmaxNet({ dataset: 'cifar10', width: 0.5 }), normalize: 'cifar10' });
  await train({ sampler: 'classBalanced', classes: 30, takePerClass: 5, take: 100 });
  await train({ sampler: { type: 'perClass', classes: 8, images: 4 }, classes: ['ant', 3] });
  // @ts-expect-error: images of each class have to be given.
  await train({ sampler: { type: 'perClass', classes: 8 } });
  const { seen } = datasets.openSet(await datasets.fashionMnist(), { unseen: 2 });
  await train({ data: datasets.subset(seen, { take: 100 }) });
  await train({ model: models.lSoftmaxNet({ dataset: 'cifar10', variant: 'released' }), head: 'l-softmax' });
  await train({ model: models.lSoftmaxNet({ dataset: 'cifar100', variant: 'paper', embeddingSize: 64 }) });
  await train({ model: models.lenetPlusPlus({ embeddingSize: 3 }) });
  const layers = [
    conv2d({ outChannels: 2, kernelSize: 3, init: 'heNormalFanOut' }),
    linear({ outFeatures: 2 }),
  ];
  await train({ model: sequential(layers, { init: { std: 0.01 } }) });
  await train({ model: models.densenet121({ imageSize: 112 }) });
  sequential([residual({ body: [batchNorm()] }), concat({ branches: [[], [prelu()]] }), globalAveragePool()]);
  await train({ learningRate: schedules.oneCycle({ peak: 0.1, momentum: { base: 0.8 } }), clipGradients: 1 });
  await train({ learningRate: schedules.cosine({ base: 0.1, warmup: 100 }) });
  await train({ learningRate: ({ step, steps }) => 0.1 * (1 - step / steps) });
  await train({
    onEpoch: ({ validation }, controls) => validation && validation.accuracy > 0.9 && controls.stop(),
  });
  await train({
    onEpoch: async (_, { model, stop }) => (await model.evaluate(split)).accuracy > 0.9 && stop(),
  });
  // @ts-expect-error a step has no model: it comes with others, when all are over
  await train({ onStep: (_, { model }) => model });
  await train({ onStep: async ({ loss }) => console.log(loss.toFixed(3)) });

  await train({ logDir: 'runs/a', logEmbeddings: 1000 });
  const { steepest } = await findLearningRate({ head: 'arcface', m: 0.3, optimizer: 'sgd', maxRate: 1 });
  // Not every curve falls.
  const suggested: number | undefined = steepest;
  // @ts-expect-error a search says itself how long it is
  await findLearningRate({ epochs: 3 });
  const options: TrainOptions = { head: 'arcface', m: 0.3, epochs: 2 };
  const result: TrainResult = await train(options);
  await train(result.options);
  const model: Model = result.model;
  const { signal } = new AbortController();
  // Not every head has class centres.
  const cosines: Float32Array | undefined = (await model.predict(split.images, { signal, cosines: true }))
    .cosines;
  const centres: [number, number] = (await model.classCentres()).shape;
  await model.embed(split.images, { signal, normalize: true });
  const codes: string[] = result.notes.map(({ code }) => code);
  if (result.notes.some(({ code }) => code === 'EMPTY_CLASSES' || code === 'MARGIN_TOO_LARGE')) return;
  // @ts-expect-error there is no such note
  if (result.notes.some(({ code }) => code === 'EMPTY_CLASS')) return;
  // Not every data set has test samples.
  const accuracy: number | undefined = result.test?.accuracy;
  const schedule: Schedule = result.options.learningRate as Schedule;
  return void [suggested, model, accuracy, schedule, cosines, centres, codes];
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
  // @ts-expect-error normface has no margin
  await train({ head: 'normface', m: 0.5 });
  // @ts-expect-error l-softmax keeps the length of the features
  await train({ head: 'l-softmax', s: 30 });
  // @ts-expect-error only l-softmax and a-softmax have λ
  await train({ head: 'arcface', lambda: 5 });
  // @ts-expect-error there is no such recipe
  await train({ head: 'a-softmax', lambda: 'imagenet' });
  // @ts-expect-error a rule for λ has one form
  await train({ head: 'a-softmax', lambda: { base: 1000, gamma: 0.12 } });
  // @ts-expect-error alpha is not chosen from the number of classes
  await train({ head: 'l2-softmax', alpha: 'auto' });
  // @ts-expect-error arcface calls it s
  await train({ head: 'arcface', alpha: 16 });
  // @ts-expect-error combined has three margins
  await train({ head: 'combined', m: 0.5 });
  // @ts-expect-error pedcc has its own distance to centres
  await train({ head: 'pedcc', auxiliary: 'center' });
  // @ts-expect-error so has center
  await train({ head: 'center', auxiliary: 'center' });
  // @ts-expect-error scaled-bn is a logit normaliser
  await train({ head: 'scaled-bn', logitNormalizer: 'scaled-bn' });
  // @ts-expect-error its other name too
  await train({ head: 'sbn', logitNormalizer: 'scaled-bn' });
  // @ts-expect-error centroids do not follow their class
  await train({ head: 'pedcc', rate: 0.5 });
  // @ts-expect-error a logit normaliser has no weight
  await train({ logitNormalizer: { type: 'scaled-bn', weight: 1 } });
  // @ts-expect-error an auxiliary loss has a type
  await train({ auxiliary: { weight: 1 } });
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
  await train({ precision: 'bf16' });
  // @ts-expect-error no such precision
  await train({ precision: 'fp16' });
  // @ts-expect-error predict takes no labels
  await (await train()).model.predict({ data: new Uint8Array(1), shape: [1, 1, 1, 1] }, arrays.labels);
  // @ts-expect-error accuracy is missing where there are no test samples
  (await train()).test.accuracy;
  // @ts-expect-error a size is a number
  models.densenet121({ imageSize: '32' });
  // @ts-expect-error a misspelt option of a network
  models.resnet50({ embedingSize: 128 });
  // @ts-expect-error only VGG has dropout
  models.resnext50({ dropout: 0.5 });
  // @ts-expect-error LeNet++ has no variants
  models.lenetPlusPlus({ imageSize: 32 });
  // @ts-expect-error each data set has its own
  models.lSoftmaxNet();
  // @ts-expect-error there is none for it
  models.lSoftmaxNet({ dataset: 'svhn' });
  // @ts-expect-error none was released for CIFAR-100
  models.lSoftmaxNet({ dataset: 'cifar100', variant: 'released' });
  // @ts-expect-error there is no such network
  models.resnet152();
  // @ts-expect-error there is no such rule
  sequential([relu()], { init: 'kaiming' });
  // @ts-expect-error a standard deviation has a name
  linear({ outFeatures: 2, init: 0.01 });
  // @ts-expect-error a layer is no string
  sequential([relu(), 'relu']);

  const inputs = { ...arrays, numClasses: 10, embeddingSize: 4 };
  await headLoss({ head: 'arcface', m: 0.5, ...inputs });
  await headLoss({ ...inputs, bias: new Float32Array(10) });
  await headLoss({ head: 'center', weight: 0.1, ...inputs, centers: new Float32Array(40) });
  await headLoss({ head: 'sphereface', m: 2, ...inputs, lambda: 5 });
  // @ts-expect-error a single evaluation has one λ
  await headLoss({ head: 'a-softmax', ...inputs, lambda: 'sphereface' });
  // @ts-expect-error a bias is its numbers
  await headLoss({ ...inputs, bias: true });
  // @ts-expect-error a single evaluation has no dropout
  await headLoss({ ...inputs, featureDropout: 0.5 });
  // @ts-expect-error labels are needed
  await headLoss({ features: arrays.features, weights: arrays.weights, numClasses: 10, embeddingSize: 4 });
}
