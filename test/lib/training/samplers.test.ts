/** Samplers: what an epoch has of each class, in which order, and that this follows from seed and epoch alone. */
import {
  type Dataset,
  datasets,
  type SamplerOptions,
  schedules,
  type TrainOptions,
  train,
} from '../../../lib/index.js';
import { type EpochOrder, epochOrder } from '../../../lib/training/samplers/epochOrder.js';
import { independentOrders } from '../../../lib/training/samplers/independentOrders.js';
import { checkSampler, type Sampler } from '../../../lib/training/samplers/options.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

/** So many samples of each class, the classes mixed. */
function labelsOf(counts: readonly number[]): Int32Array {
  const sorted = counts.flatMap((count, label) => Array<number>(count).fill(label));
  const mixed = sorted.map((label, place) => [(place * 7919) % 10007, label] as const);
  return Int32Array.from(
    mixed.sort(([a], [b]) => a - b),
    ([, label]) => label,
  );
}

const orderOf = (counts: readonly number[], sampler: SamplerOptions, seed = 5): EpochOrder =>
  epochOrder(
    { seed, shuffle: true, sampler: checkSampler(sampler, 'sampler') },
    labelsOf(counts),
    counts.length,
  );

const tally = (values: Iterable<number>): Map<number, number> => {
  const times = new Map<number, number>();
  for (const value of values) times.set(value, (times.get(value) ?? 0) + 1);
  return times;
};

const countsOf = (places: Int32Array, labels: Int32Array, numClasses: number) => {
  const times = tally(places.map((place) => labels[place]!));
  return Array.from({ length: numClasses }, (_, label) => times.get(label) ?? 0);
};

/** Of numbers that are there at all. */
const spreadOf = (times: Iterable<number>) => Math.max(...times) - Math.min(...times);

test('one permutation orders each of its parts', () => {
  const { numbers, starts } = independentOrders(Int32Array.of(3, 0, 5, 4, 1, 2), Int32Array.of(2, 0, 3, 1));
  expect([...starts]).toEqual([0, 2, 2, 5, 6]);
  expect([...numbers]).toEqual([0, 1, 1, 2, 0, 0]);
});

describe('classBalanced', () => {
  const COUNTS = [50, 3, 0, 20, 1, 11];
  const labels = labelsOf(COUNTS);
  const EPOCHS = 400;

  test.each([
    [undefined, 85],
    [7, 7],
    [1000, 1000],
    [3, 3],
  ])('%j draws: of each class as many as of any other, to within one', (draws, samples) => {
    const order = orderOf(COUNTS, { type: 'classBalanced', ...(draws !== undefined && { draws }) });
    expect(order.samples).toBe(samples);
    const more = new Array(COUNTS.length).fill(0);
    for (let epoch = 0; epoch < EPOCHS; epoch++) {
      const places = order.places(epoch);
      expect(places).toHaveLength(samples);
      const counts = countsOf(places, labels, COUNTS.length);
      expect(counts[2]).toBe(0);
      for (const label of [0, 1, 3, 4, 5]) {
        const extra = counts[label]! - Math.floor(samples / 5);
        expect([0, 1]).toContain(extra);
        more[label] += extra;
      }
    }
    // Who has one more is drawn: binomial, each class with probability remainder/5, to within 5 standard deviations.
    const share = (samples % 5) / 5;
    const deviation = Math.sqrt(EPOCHS * share * (1 - share));
    for (const label of [0, 1, 3, 4, 5]) {
      expect(Math.abs(more[label] - EPOCHS * share)).toBeLessThanOrEqual(5 * deviation);
    }
  });

  test('within a class no image comes again before all have', () => {
    const order = orderOf(COUNTS, { type: 'classBalanced', draws: 500 });
    for (let epoch = 0; epoch < 20; epoch++) {
      const places = order.places(epoch);
      for (const [label, size] of COUNTS.entries()) {
        const own = places.filter((place) => labels[place] === label);
        for (let first = 0; first < own.length; first += size) {
          const pass = own.subarray(first, first + size);
          expect(new Set(pass).size).toBe(pass.length);
        }
      }
    }
  });

  test('every image of a class and every class is as likely as any other at each place', () => {
    const order = orderOf(COUNTS, 'classBalanced');
    const epochs = 2000;
    for (const at of [0, 40]) {
      const drawn = Array.from({ length: epochs }, (_, epoch) => order.places(epoch)[at]!);
      const byClass = tally(drawn.map((place) => labels[place]!));
      expect(byClass.size).toBe(5);
      for (const times of byClass.values()) expect(Math.abs(times - epochs / 5)).toBeLessThan(5 * 17.9);
      const inFourth = tally(drawn.filter((place) => labels[place] === 3));
      expect(inFourth.size).toBe(20);
      for (const times of inFourth.values()) expect(Math.abs(times - epochs / 100)).toBeLessThan(5 * 4.45);
    }
  });

  test('the second pass of a class has another order than the first', () => {
    const own = orderOf([20, 20], { type: 'classBalanced', draws: 80 })
      .places(0)
      .filter((place) => labelsOf([20, 20])[place] === 0);
    expect([...own.subarray(0, 20)]).not.toEqual([...own.subarray(20)]);
  });
});

describe.each<[string, number[], number, number]>([
  ['as many classes as there are', [10, 10, 10, 10], 4, 5],
  ['classes that do not come out even', [13, 7, 9, 21, 8, 0, 6], 4, 3],
  ['classes with fewer images than a batch has of each', [40, 2, 1, 3, 30], 3, 5],
  ['one class of a batch', [9, 5], 1, 4],
  ['one image of a class', [9, 5, 6], 2, 1],
  ['more than there are images', [2, 3, 4], 3, 8],
])('perClass, %s', (_, counts, classes, images) => {
  const labels = labelsOf(counts);
  const order = orderOf(counts, { type: 'perClass', classes, images });
  const present = counts.filter((count) => count > 0).length;
  const batches = Math.max(1, Math.floor(labels.length / (classes * images)));

  test('every batch has so many classes, and so many images of each', () => {
    expect(order.samples).toBe(batches * classes * images);
    for (let epoch = 0; epoch < 50; epoch++) {
      const places = order.places(epoch);
      expect(places).toHaveLength(order.samples);
      for (let batch = 0; batch < batches; batch++) {
        const own = places.subarray(batch * classes * images, (batch + 1) * classes * images);
        const byClass = tally(own.map((place) => labels[place]!));
        expect([...byClass.values()]).toEqual(Array(classes).fill(images));
        for (const label of byClass.keys()) {
          const times = tally(own.filter((place) => labels[place] === label));
          expect(times.size).toBe(Math.min(images, counts[label]!));
          expect(spreadOf(times.values())).toBeLessThanOrEqual(1);
        }
      }
    }
  });

  test('of an epoch each class has as much as any other, and each image of a class, to within one', () => {
    for (let epoch = 0; epoch < 50; epoch++) {
      const places = order.places(epoch);
      const byClass = countsOf(places, labels, counts.length).filter((_, label) => counts[label]! > 0);
      expect(byClass).toHaveLength(present);
      expect(spreadOf(byClass)).toBeLessThanOrEqual(images);
      const times = tally(places);
      for (const label of counts.keys()) {
        const own = Array.from(labels.keys()).filter((place) => labels[place] === label);
        if (own.length > 0)
          expect(spreadOf(own.map((place) => times.get(place) ?? 0))).toBeLessThanOrEqual(1);
      }
    }
  });

  test('over many epochs each class is there as often as any other, and each image of a class', () => {
    const epochs = 1000;
    const times = new Int32Array(labels.length);
    for (let epoch = 0; epoch < epochs; epoch++) for (const place of order.places(epoch)) times[place]!++;
    // An epoch has each of them the mean or one more: a standard deviation of 1/2 at most. Five of them, of a sum of as many.
    const bound = 5 * 0.5 * Math.sqrt(epochs);
    const ofClasses: number[] = [];
    for (const [label, count] of counts.entries()) {
      if (count === 0) continue;
      const own = times.filter((_, place) => labels[place] === label);
      const all = own.reduce((sum, each) => sum + each, 0);
      for (const each of own) expect(Math.abs(each - all / count)).toBeLessThan(bound);
      ofClasses.push(all / images);
    }
    for (const each of ofClasses) {
      expect(Math.abs(each - (epochs * batches * classes) / present)).toBeLessThan(bound);
    }
  });
});

test.each<SamplerOptions>([
  'shuffled',
  'classBalanced',
  { type: 'classBalanced', draws: 30 },
  { type: 'perClass', classes: 3, images: 4 },
])('%j follows from seed and epoch alone', (sampler) => {
  const counts = [20, 8, 30, 5];
  const [order, again, other] = [
    orderOf(counts, sampler),
    orderOf(counts, sampler),
    orderOf(counts, sampler, 6),
  ];
  const third = order.places(2);
  expect(order.places(0)).not.toEqual(third);
  expect(again.places(2)).toEqual(third);
  expect(other.places(2)).not.toEqual(third);
});

describe('in training', () => {
  let data: Dataset;
  beforeAll(async () => {
    data = await sample(60, 20);
  });

  /** Nothing is learned, so that losses tell which images a step had. */
  const STILL = {
    ...{ model: tinyModel, epochs: 2, seed: 3, optimizer: 'sgd', learningRate: schedules.constant(0) },
    ...{ device: 'cpu', progress: false, deterministic: true },
  } as const;

  async function run(options: TrainOptions) {
    const losses: number[] = [];
    const { model, ...result } = await train({
      ...{ data, ...STILL, ...options },
      onStep: ({ loss }) => void losses.push(loss),
    } as TrainOptions);
    model.dispose();
    return { ...result, losses };
  }

  test.each<[SamplerOptions, number]>([
    ['classBalanced', 1],
    [{ type: 'classBalanced', draws: 25 }, 10],
    [{ type: 'perClass', classes: 4, images: 3 }, 12],
  ])('%j: steps have the images of the order, for any number of threads', async (sampler, batchSize) => {
    const single = await run({ shuffle: false, batchSize: 1, epochs: 1 });
    const order = epochOrder(
      { seed: 3, shuffle: true, sampler: checkSampler(sampler, 'sampler') as Sampler },
      data.train.labels,
      10,
    );
    const expected: number[] = [];
    for (const epoch of [0, 1]) {
      const places = order.places(epoch);
      for (let first = 0; first < places.length; first += batchSize) {
        const batch = [...places.subarray(first, first + batchSize)];
        expected.push(batch.reduce((sum, place) => sum + single.losses[place]!, 0) / batch.length);
      }
    }
    for (const threads of [1, 2]) {
      const { losses, history, options } = await run({ sampler, batchSize, threads });
      expect(losses).toHaveLength(expected.length);
      for (const [step, loss] of losses.entries()) expect(loss).toBeCloseTo(expected[step]!, 5);
      expect(history.map(({ steps }) => steps)).toEqual(Array(2).fill(expected.length / 2));
      expect(options.sampler).toEqual(checkSampler(sampler, 'sampler'));
    }
  });

  test('perClass says how large a batch is', async () => {
    const { options, losses } = await run({ sampler: { type: 'perClass', classes: 5, images: 4 } });
    expect(options.batchSize).toBe(20);
    expect(losses).toHaveLength(6);
  });

  test('shuffled is what there is without it, and what is in force repeats the run', async () => {
    const { losses } = await run({ batchSize: 7 });
    const named = await run({ batchSize: 7, sampler: 'shuffled' });
    expect(named.losses).toEqual(losses);
    const { model: _, ...options } = named.options;
    expect((await run(options as TrainOptions)).losses).toEqual(losses);
    const balanced = await run({ batchSize: 7, sampler: 'classBalanced' });
    expect(balanced.losses).not.toEqual(losses);
    const { model: __, ...again } = balanced.options;
    expect((await run(again as TrainOptions)).losses).toEqual(balanced.losses);
  });

  test('layers that are frozen, and images that are held out', async () => {
    const sampler = { type: 'perClass', classes: 3, images: 2 } as const;
    const { losses, history } = await run({ sampler, validation: 0.2, freeze: 'all', epochs: 1 });
    // Of each class a fifth, rounded down, is held out.
    const counts = [...tally(data.train.labels).values()];
    const trained = counts.reduce((sum, count) => sum + count - Math.floor(count / 5), 0);
    expect(losses).toHaveLength(Math.floor(trained / 6));
    expect(history[0]!.validation).toBeDefined();
  });

  test('more classes than there are', async () => {
    const sampler = { type: 'perClass', classes: 11, images: 2 } as const;
    const error = await refusal(() => run({ sampler }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option: 'sampler.classes' } });
    expect(error.message).toContain(
      'Expected a whole number in [1, 10], as so many classes have training images, for sampler.classes but received 11',
    );
  });

  test('classes that have no images do not count, and of one class there are no two', async () => {
    const labels = data.train.labels.map(() => 3);
    const one = { ...data, train: { images: data.train.images, labels } };
    const two = { type: 'perClass', classes: 2, images: 2 } as const;
    const error = await refusal(() => run({ data: one, sampler: two }));
    expect(error.message).toContain(
      'in [1, 1], as so many classes have training images, for sampler.classes',
    );
    const { losses } = await run({ data: one, sampler: 'classBalanced', batchSize: 20 });
    expect(losses).toHaveLength(6);
  });

  test('a part of a data set is sampled by its own classes', async () => {
    const part = datasets.subset(data, { classes: [1, 3, 5] });
    const error = await refusal(() =>
      run({ data: part, sampler: { type: 'perClass', classes: 4, images: 2 } }),
    );
    expect(error.message).toContain('in [1, 3]');
  });
});
