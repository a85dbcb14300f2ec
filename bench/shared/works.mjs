// The works: which network with which head on which images, what is measured of it, and the ratios that margincore is
// meant to reach against a contender's best variant.

const ARCFACE = { head: 'arcface', s: 30, m: 0.5 };
/** With the 3×3 stem of stride 1 and no max pool. */
const RESNET18 = { name: 'resnet18', options: { imageSize: 32 } };

/** Fashion-MNIST as it is, and as large as CIFAR's images: in a black square, the same in each channel. */
const GREY_28 = { side: 28, channels: 1 };
const COLOUR_32 = { side: 32, channels: 3 };

/** What a part's figure is. `timed` ones say nothing where other programs ran meanwhile. */
export const quantities = {
  rate: { unit: 'images/s', timed: true, moreIsBetter: true },
  seconds: { unit: 's', timed: true, moreIsBetter: false },
  memory: { unit: 'MiB', timed: false, moreIsBetter: false },
};

/**
 * `limit`: images of an epoch, whole batches of 20 and of 128, so that nobody meets a smaller last batch. `epochs` of
 * them are timed, with what happens between them. Where there are `steps` instead, so many steps are timed, the images
 * are as many as they take, and what follows an epoch is not in the time: an epoch so short would give it too much weight.
 */
const EPOCHS = { limit: 5760, epochs: 4 };

/**
 * Every part of a work is a table. `measure`, what its processes do: 'throughput' trains, 'startup' trains from a cold
 * start, 'inference' predicts, 'head' is the head alone. `slow`: contenders that do a few steps of it.
 */
export const works = [
  {
    id: 'seed-cnn',
    network: { name: 'seedCnn', options: { embeddingSize: 1024 } },
    head: ARCFACE,
    precision: 'fp32',
    pixels: GREY_28,
    parts: [
      {
        id: 'batch128',
        title: 'Training, batch 128',
        measure: 'throughput',
        quantity: 'rate',
        batch: 128,
        amount: EPOCHS,
        // Those in JavaScript take seconds per step, so they get a few steps, and tfjs (minutes at 128) batch 20 only.
        slow: { convnetjs: { warmupBatch: 20, steps: 1 } },
        targets: { pytorch: { atLeast: 1.9 }, convnetjs: { atLeast: 100 } },
      },
      {
        id: 'batch20',
        title: 'Training, batch 20',
        measure: 'throughput',
        quantity: 'rate',
        batch: 20,
        amount: EPOCHS,
        slow: { convnetjs: { warmupBatch: 20, steps: 4 }, tfjs: { warmupBatch: 2, steps: 1 } },
        targets: { pytorch: { atLeast: 1.6 }, convnetjs: { atLeast: 100 } },
      },
      {
        id: 'firstStep',
        title: 'Process start to first training step, batch 128',
        measure: 'startup',
        quantity: 'seconds',
        batch: 128,
        amount: { limit: 5760, epochs: 3 },
        targets: { pytorch: { atMost: 0.2 } },
      },
      {
        id: 'memory',
        title: 'Peak resident memory, batch 128',
        measure: 'startup',
        quantity: 'memory',
        batch: 128,
        amount: { limit: 5760, epochs: 3 },
        targets: { pytorch: { atMost: 0.5 } },
      },
    ],
  },
  {
    // Of a size where it is most of the work.
    id: 'head',
    head: ARCFACE,
    parts: [
      {
        id: 'head',
        title: 'ArcFace head alone, forward and backward, batch 128, embedding 512, 100,000 classes',
        measure: 'head',
        quantity: 'seconds',
        batch: 128,
        amount: { embeddingSize: 512, numClasses: 100_000, repetitions: 10 },
        targets: { pytorch: { atMost: 0.25 } },
      },
    ],
  },
  {
    id: 'resnet18',
    network: RESNET18,
    head: ARCFACE,
    precision: 'fp32',
    pixels: COLOUR_32,
    parts: [
      {
        id: 'resnet18',
        title: 'ResNet-18 training, 32×32, fp32, batch 64',
        measure: 'throughput',
        quantity: 'rate',
        batch: 64,
        amount: { steps: 6 },
        targets: { pytorch: { atLeast: 1.05 } },
      },
      {
        id: 'resnet18Memory',
        title: 'ResNet-18 training, 32×32, fp32, batch 64: peak resident memory',
        measure: 'startup',
        quantity: 'memory',
        batch: 64,
        amount: { steps: 3 },
        targets: { pytorch: { atMost: 0.6 } },
      },
    ],
  },
  {
    id: 'resnet18-bf16',
    network: RESNET18,
    head: ARCFACE,
    precision: 'bf16',
    pixels: COLOUR_32,
    parts: [
      {
        id: 'resnet18Bf16',
        title: 'ResNet-18 training, 32×32, bf16, batch 64',
        measure: 'throughput',
        quantity: 'rate',
        batch: 64,
        amount: { steps: 8 },
        targets: { pytorch: { atLeast: 1.1 } },
      },
    ],
  },
  {
    // λ does not change the work; a constant one keeps the few steps from diverging.
    id: 'l-softmax-net',
    network: { name: 'lSoftmaxNet', options: { dataset: 'cifar10' } },
    head: { head: 'l-softmax', m: 4, lambda: 5 },
    precision: 'fp32',
    pixels: COLOUR_32,
    parts: [
      {
        id: 'lSoftmaxNet',
        title: "L-Softmax's CIFAR-10 network, training, fp32, batch 128",
        measure: 'throughput',
        quantity: 'rate',
        batch: 128,
        amount: { steps: 5 },
        targets: { pytorch: { atLeast: 1.2 } },
      },
    ],
  },
  {
    id: 'resnet18-inference',
    network: RESNET18,
    head: ARCFACE,
    precision: 'fp32',
    pixels: COLOUR_32,
    parts: [
      {
        id: 'inference64',
        title: 'ResNet-18 inference, 32×32, fp32, 64 images a call',
        measure: 'inference',
        quantity: 'rate',
        batch: 64,
        amount: { limit: 64, calls: 6 },
        targets: { pytorch: { atLeast: 1.2 } },
      },
      {
        id: 'inference1',
        title: 'ResNet-18 inference, 32×32, fp32, one image a call',
        measure: 'inference',
        quantity: 'rate',
        batch: 1,
        amount: { limit: 64, calls: 200 },
        targets: { pytorch: { atLeast: 1.2 } },
      },
    ],
  },
];

/** What the tables of the report are: the parts of all works, in order. */
export const tables = works.flatMap(({ parts }) =>
  parts.map(({ id, title, quantity, targets }) => ({ id, title, ...quantities[quantity], targets })),
);
