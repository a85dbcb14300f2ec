/** Each rule by itself, on made-up epochs; and on the epochs of real runs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { diagnose } from '../../../lib/diagnoses/diagnose.js';
import type { Epoch, RunFacts } from '../../../lib/diagnoses/facts.js';
import { checkHead, resolveHead } from '../../../lib/heads/resolve.js';
import { type Schedule, schedules } from '../../../lib/schedules/learningRate.js';
import { checkOptimizer } from '../../../lib/training/optimizers.js';
import { runFacts } from '../../../lib/training/runFacts.js';

const D = 64;

const images = (training: number) => ({ training, measured: Math.min(training, 512), validation: 100 });

/** A run with 1,000 images of each class. */
function facts(options: Record<string, unknown> = {}, numClasses = 10): RunFacts {
  const { optimizer = 'adam', networkRate = 1, clipGradients, ...head } = options;
  return {
    head: resolveHead(checkHead(head), numClasses),
    embeddingSize: D,
    networkRate: networkRate as number,
    optimizer: checkOptimizer(optimizer, 'optimizer'),
    ...(clipGradients !== undefined && { clipGradients: clipGradients as number }),
    images: images(1000 * numClasses),
    steps: 400,
    classShares: new Float64Array(numClasses).fill(1 / numClasses),
  };
}

/** Its class weights have the length that they begin with. */
const START = Math.sqrt((2 * D) / (D + 10));
const HEAD: Epoch['head'] = {
  targetAngle: [10, 60, 80],
  nearestOtherAngle: [60, 80, 90],
  featureNorm: [1, 2, 3],
  weightNorm: [START, START, START],
  nearestOwn: 0,
  spread: 90,
};

type Changes = Partial<Omit<Epoch, 'head'>> & { head?: Partial<Epoch['head']> };

/** Epochs that are all alike, of a run as long as they are many. */
function epochs(count: number, { head, ...changes }: Changes, of = count): Epoch[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ epoch: index + 1, epochs: of, steps: 100, loss: 1, accuracy: 0.8, learningRate: 1e-3 },
    ...{ meanLearningRate: 1e-3, lambda: 0, pastPi: 0, gradientNorm: 1, logitGradientNorm: 0.1 },
    ...{ seconds: 1, imagesPerSecond: 1000 },
    ...changes,
    head: { ...HEAD, ...head },
  }));
}
/** Of a run as long as the epochs say. */
const said = (history: readonly Epoch[], of: RunFacts, ...rest: boolean[]) =>
  diagnose(history, { ...of, steps: history[0]!.epochs * history[0]!.steps }, ...(rest as [boolean]));
const names = (...args: Parameters<typeof said>) => said(...args).map(({ name }) => name);
const message = (...args: Parameters<typeof said>) => said(...args)[0]!.message;

const CHANCE = { accuracy: 0.1 };

describe('what is seen', () => {
  test('nothing, of a run that learns: not even where its loss, with margin and scale, is that of guessing', () => {
    expect(diagnose(epochs(4, { accuracy: 0.87, loss: Math.log(10) }), facts({ head: 'arcface' }))).toEqual(
      [],
    );
  });

  test('nothing, of data that is hard', () => {
    expect(diagnose(epochs(4, { accuracy: 0.2 }), facts())).toEqual([]);
  });

  test('chance, by the largest class and the number of classes', () => {
    const unequal = { ...facts(), classShares: Float64Array.from([0.7, ...Array(9).fill(0.3 / 9)]) };
    expect(names(epochs(4, { accuracy: 0.7 }), unequal)).toEqual(['guessing']);
    expect(names(epochs(4, { accuracy: 0.75 }), unequal)).toEqual([]);
    expect(names(epochs(4, { accuracy: 0.14 }), facts())).toEqual(['guessing']);
    expect(names(epochs(4, { accuracy: 0.15 }), facts())).toEqual([]);
    expect(names(epochs(4, { accuracy: 0.5 }), facts({}, 2))).toEqual(['guessing']);
    expect(message(epochs(4, CHANCE), facts())).toMatch(
      /^accuracy is 10\.0 %, always the most frequent class would be 10\.0 %: nothing is learned; Do the labels/,
    );
  });

  test('the best of what training, its end and validation show', () => {
    expect(names(epochs(4, { ...CHANCE, head: { nearestOwn: 0.5 } }), facts())).toEqual([]);
    expect(names(epochs(4, { ...CHANCE, validation: { accuracy: 0.5, loss: 1 } }), facts())).toEqual([]);
  });

  test('one direction for all', () => {
    expect(names(epochs(4, { ...CHANCE, head: { spread: 0.99 } }), facts())).toEqual(['collapsed']);
    expect(names(epochs(4, { ...CHANCE, head: { spread: 1 } }), facts())).toEqual(['guessing']);
    expect(names(epochs(4, { head: { spread: 0.5 } }), facts())).toEqual([]);
  });
});

describe('when it is said', () => {
  test('after two epochs, or a tenth of the run', () => {
    expect(names(epochs(1, CHANCE, 20), facts())).toEqual([]);
    expect(names(epochs(2, CHANCE, 20), facts())).toEqual(['guessing']);
    expect(names(epochs(2, CHANCE, 30), facts())).toEqual([]);
    expect(names(epochs(3, CHANCE, 30), facts())).toEqual(['guessing']);
  });

  test('after fifty steps', () => {
    expect(names(epochs(2, { ...CHANCE, steps: 24 }, 20), facts())).toEqual([]);
    expect(names(epochs(2, { ...CHANCE, steps: 25 }, 20), facts())).toEqual(['guessing']);
  });

  test('not while accuracy rises by more than chance would have it', () => {
    const rising = (now: number) => [...epochs(1, CHANCE, 20), { ...epochs(2, { accuracy: now }, 20)[1]! }];
    // 10,000 images: one standard error is 0.003
    expect(names(rising(0.12), facts())).toEqual([]);
    expect(names(rising(0.105), facts())).toEqual(['guessing']);
  });

  test('rising is judged by the images that the accuracy is of', () => {
    const rising = (changes: Changes) => [
      epochs(1, { accuracy: 0.09 }, 20)[0]!,
      epochs(2, { accuracy: 0.09, ...changes }, 20)[1]!,
    ];
    // At 0.144 one standard error is 0.016 of 512 images, and 0.035 of 100.
    expect(names(rising({ head: { nearestOwn: 0.12 } }), facts())).toEqual(['guessing']);
    expect(names(rising({ head: { nearestOwn: 0.144 } }), facts())).toEqual([]);
    expect(names(rising({ validation: { accuracy: 0.144, loss: 1 } }), facts())).toEqual(['guessing']);
  });

  test('at the end of a run that was stopped, as of one that is over', () => {
    const dropped = facts({ featureDropout: 0.95 });
    expect(names(epochs(2, {}, 5), dropped)).toEqual([]);
    expect(names(epochs(2, {}, 5), dropped, true)).toEqual(['dropout-too-high']);
    // Steps of this length are too short for the 60 that were run, but not for the 500 that were meant.
    const stopped = epochs(1, { ...CHANCE, steps: 60, meanLearningRate: 5e-5 }, 5);
    expect(names(stopped, facts(), true)).toEqual(['guessing']);
  });

  test('at the end, however short the run', () => {
    expect(names(epochs(1, { ...CHANCE, steps: 3, meanLearningRate: 0.1 }), facts())).toEqual([
      'learning-rate-too-high',
    ]);
  });

  test('of weak accuracy only at the end', () => {
    const dropped = facts({ featureDropout: 0.95 });
    expect(names(epochs(4, {}, 5), dropped)).toEqual([]);
    expect(names(epochs(5, {}), dropped)).toEqual(['dropout-too-high']);
    expect(names(epochs(5, { accuracy: 0.98 }), dropped)).toEqual([]);
  });

  test('of a few steps, but for what shows in them', () => {
    const few = { ...CHANCE, steps: 12 };
    expect(names(epochs(4, few), facts())).toEqual([]);
    expect(names(epochs(4, { ...few, meanLearningRate: 1e-6 }), facts())).toEqual([]);
    expect(names(epochs(4, { steps: 12 }), facts({ featureDropout: 0.95 }))).toEqual([]);
    expect(names(epochs(4, { ...few, meanLearningRate: 0.1 }), facts())).toEqual(['learning-rate-too-high']);
    expect(names(epochs(5, few), facts())).toEqual(['guessing']);
  });
});

describe('why', () => {
  test('one class has all weight', () => {
    const classWeights = [1, ...Array(9).fill(0.001)];
    expect(names(epochs(4, CHANCE), facts({ classWeights }))).toEqual(['one-class-weighted']);
    expect(names(epochs(4, CHANCE), facts({ classWeights: [1, 0.1, ...Array(8).fill(0)] }))).toEqual([
      'guessing',
    ]);
  });

  test('feature dropout', () => {
    expect(names(epochs(4, {}), facts({ featureDropout: 0.89 }))).toEqual([]);
    expect(message(epochs(4, {}), facts({ featureDropout: 0.9 }))).toContain('leaves some 6 of 64 features');
  });

  test.each(['adam', 'adamw'])('a rate that moves nothing, %s', (optimizer) => {
    // Weights begin at √(2/74) = 0.16: 400 steps of 3.3e-5 are 0.08 of that.
    expect(names(epochs(4, { meanLearningRate: 3e-5 }), facts({ optimizer }))).toEqual([
      'learning-rate-too-low',
    ]);
    expect(names(epochs(4, { meanLearningRate: 3.6e-5 }), facts({ optimizer }))).toEqual([]);
  });

  test('a rate that moves nothing, sgd: by the length of the gradient and momentum', () => {
    const low = (meanLearningRate: number, optimizer: unknown, gradientNorm = 1) =>
      names(epochs(4, { meanLearningRate, gradientNorm }), facts({ optimizer }));
    // All class weights together begin at √(2·64·10/74) = 4.16.
    expect(low(1.5e-3, 'sgd')).toEqual(['learning-rate-too-low']);
    expect(low(1.6e-3, 'sgd')).toEqual([]);
    expect(low(0.8e-3, 'sgd', 2)).toEqual([]);
    expect(low(1.5e-2, { type: 'sgd', momentum: 0 })).toEqual(['learning-rate-too-low']);
    expect(low(1.6e-2, { type: 'sgd', momentum: 0 })).toEqual([]);
  });

  test('a gradient that is clipped moves no farther than that, with sgd', () => {
    const slow = { meanLearningRate: 1.5e-4, gradientNorm: 20 };
    expect(names(epochs(4, slow), facts({ optimizer: 'sgd' }))).toEqual([]);
    expect(names(epochs(4, slow), facts({ optimizer: 'sgd', clipGradients: 11 }))).toEqual([]);
    expect(names(epochs(4, slow), facts({ optimizer: 'sgd', clipGradients: 10 }))).toEqual([
      'learning-rate-too-low',
    ]);
  });

  test('a rate that moves nothing is judged by the whole run that is planned', () => {
    const slow = { ...CHANCE, meanLearningRate: 2.5e-5 };
    expect(names(epochs(2, slow, 4), facts())).toEqual(['learning-rate-too-low']);
    expect(names(epochs(2, slow, 8), facts())).toEqual(['guessing']);
  });

  test("the head's own rate", () => {
    const slow = { ...CHANCE, meanLearningRate: 1e-6 };
    expect(names(epochs(4, slow), facts({ headLr: 1e-3 }))).toEqual(['learning-rate-too-low']);
    expect(names(epochs(4, slow), facts({ headLr: 1e3 }))).toEqual(['guessing']);
    expect(names(epochs(4, slow), facts({ headLr: 1e3, optimizer: 'sgd' }))).toEqual([
      'learning-rate-too-low',
    ]);
    expect(names(epochs(4, slow), facts({ headLr: 1e5 }))).toEqual(['learning-rate-too-high']);
    expect(message(epochs(4, slow), facts({ headLr: 1e5 }))).toContain(
      'of the head times headLr 100000). Try a tenth',
    );
    // The network's rate is what it is.
    expect(names(epochs(4, CHANCE), facts({ headLr: 1e-3 }))).toEqual(['guessing']);
  });

  test('rates of layers', () => {
    const slow = { ...CHANCE, meanLearningRate: 1e-6 };
    expect(names(epochs(4, slow), facts({ networkRate: Math.fround(1e3) }))).toEqual(['guessing']);
    expect(message(epochs(4, slow), facts({ networkRate: Math.fround(1e5 / 3) * 3 }))).toContain(
      'of a layer times layerLr 100000). Try a tenth',
    );
    const slowHead = { headLr: 1e-3 };
    expect(names(epochs(4, CHANCE), facts({ ...slowHead, networkRate: 1e-3 }))).toEqual([
      'learning-rate-too-low',
    ]);
    expect(names(epochs(4, CHANCE), facts({ ...slowHead, networkRate: 0 }))).toEqual([
      'learning-rate-too-low',
    ]);
  });

  test('a network that is frozen is not told to learn otherwise', () => {
    const frozen = facts({ head: 'arcface', networkRate: 0 });
    const thaw = /Are the weights those of a network that was trained\? Otherwise freeze fewer layers$/;
    for (const spread of [0.5, 90]) {
      const history = epochs(4, { ...CHANCE, meanLearningRate: 0.01, head: { spread } });
      expect(names(history, frozen)).toEqual([spread < 1 ? 'collapsed' : 'guessing']);
      expect(message(history, frozen)).toMatch(thaw);
    }
    // Nothing that is trained could part them, at whatever rate.
    const alike = { ...CHANCE, head: { spread: 0.5 } };
    for (const meanLearningRate of [1e-9, 10]) {
      expect(message(epochs(4, { ...alike, meanLearningRate }), frozen)).toMatch(thaw);
    }
  });

  test('a rate of 0', () => {
    const still = message(epochs(4, { ...CHANCE, meanLearningRate: 0 }), facts());
    expect(still).toContain('the learning rate is 0, so no step changes anything. Try one above 0');
  });

  test.each(['guessing', 'collapsed'])('%s: a smaller margin is only for heads that have one', (name) => {
    const history = epochs(4, { ...CHANCE, head: { spread: name === 'collapsed' ? 0.5 : 90 } });
    const said = (options: Record<string, unknown>) => {
      expect(names(history, facts(options))).toEqual([name]);
      return message(history, facts(options));
    };
    expect(said({ head: 'arcface' })).toMatch(/learningRate, or a smaller margin$/);
    expect(said({ head: 'softmax' })).toMatch(/learningRate$/);
    expect(said({ head: 'arcface', m: 0 })).toMatch(/learningRate$/);
  });

  test('steps as long as the weights', () => {
    const wide = { meanLearningRate: 0.1 };
    const grown = { weightNorm: [START, 2.9 * START, START] as const };
    expect(names(epochs(4, { ...wide, ...CHANCE }), facts())).toEqual(['learning-rate-too-high']);
    expect(names(epochs(4, { ...CHANCE, head: grown }), facts())).toEqual(['learning-rate-too-high']);
    expect(names(epochs(4, { ...wide, head: grown }), facts())).toEqual(['learning-rate-too-high']);
    // A long run's weights grow, and wide steps alone need not harm.
    expect(names(epochs(4, { head: grown }), facts())).toEqual([]);
    expect(names(epochs(4, wide), facts())).toEqual([]);
    expect(names(epochs(4, { meanLearningRate: 0.26 }), facts())).toEqual(['learning-rate-too-high']);
    expect(names(epochs(4, { meanLearningRate: 0.26 }), facts({ head: 'pedcc' }))).toEqual([]);
    expect(names(epochs(4, { ...wide, head: grown }), facts({ head: 'scaled-bn' }))).toEqual([]);
  });

  test('what was learned is lost', () => {
    const lost = (before: number) => [epochs(1, { accuracy: before }, 3)[0]!, ...epochs(3, CHANCE).slice(1)];
    expect(names(lost(0.29), facts())).toEqual(['learning-rate-too-high']);
    expect(names(lost(0.27), facts())).toEqual(['guessing']);
    expect(message(lost(0.61), facts())).toContain('it had been 61.0 %, and what was learned is lost');
  });

  test('a first epoch worse than guessing, where the loss has no margin or scale in it', () => {
    expect(names(epochs(4, { loss: 2.31 }), facts())).toEqual(['learning-rate-too-high']);
    expect(names(epochs(4, { loss: 2.3 }), facts())).toEqual([]);
    expect(names(epochs(4, { loss: 2.31 }), facts({ head: 'arcface' }))).toEqual([]);
    expect(names(epochs(4, { loss: 2.31, lambda: 9 }), facts({ head: 'l-softmax' }))).toEqual([]);
    expect(names(epochs(4, { loss: 2.31, lambda: 10 }), facts({ head: 'l-softmax' }))).toEqual([
      'learning-rate-too-high',
    ]);
  });

  test('embeddings opposite their class: the rate with a usual margin, otherwise the margin', () => {
    const opposite = {
      ...{ accuracy: 0.587, pastPi: 1, head: { targetAngle: [120, 164, 170] as const } },
      margin: { m1: 1, m2: 0.5, m3: 0 },
    };
    expect(names(epochs(2, opposite, 20), facts({ head: 'arcface' }))).toEqual(['learning-rate-too-high']);
    expect(message(epochs(2, opposite, 20), facts({ head: 'arcface' }))).toMatch(
      /stand 164° from their own class's weight, opposite it; .*the learning rate is too high \(0\.0010 in the first epoch\)/,
    );
    expect(message(epochs(2, opposite, 20), facts({ head: 'arcface', wrap: 'none' }))).toContain(
      "not wrap 'none', which rewards that",
    );
    expect(names(epochs(2, opposite, 20), facts({ head: 'arcface', m: 1.2 }))).toEqual(['margin-too-large']);
    expect(names(epochs(2, opposite, 20), facts({ head: 'arcface' }, 2))).toEqual([]);
  });

  test('a margin that hides nothing, past 180°', () => {
    const past = { ...CHANCE, margin: { m1: 4, m2: 0, m3: 0 }, pastPi: 0.9 };
    expect(names(epochs(4, past), facts({ head: 'l-softmax' }))).toEqual(['margin-too-large']);
    expect(names(epochs(4, { ...past, lambda: 5 }), facts({ head: 'l-softmax' }))).toEqual(['guessing']);
    expect(names(epochs(4, { ...past, pastPi: 0.3 }), facts({ head: 'l-softmax' }))).toEqual(['guessing']);
    const weak = { ...past, accuracy: 0.76 };
    expect(names(epochs(4, weak), facts({ head: 'l-softmax' }))).toEqual(['margin-too-large']);
    expect(names(epochs(4, { ...weak, pastPi: 0.75 }), facts({ head: 'l-softmax' }))).toEqual([]);
    expect(
      names(epochs(4, { ...weak, margin: { m1: 1, m2: 1.57, m3: 0 } }), facts({ head: 'arcface' })),
    ).toEqual([]);
  });

  test('a scale that gives a perfect embedding no probability', () => {
    const scaled = (s: number, numClasses: number) => facts({ head: 'normface', s }, numClasses);
    // e^s/(e^s + 499) at best
    expect(names(epochs(4, { accuracy: 0.99 }), scaled(3.2, 500))).toEqual(['scale-too-small']);
    expect(names(epochs(4, { accuracy: 0.99 }), scaled(3.4, 500))).toEqual([]);
    expect(names(epochs(4, {}), scaled(0.5, 10))).toEqual([]);
    // Its own logit at m·√499
    expect(names(epochs(4, {}), facts({ head: 'scaled-bn', m: 0.14 }, 500))).toEqual(['scale-too-small']);
    expect(names(epochs(4, {}), facts({ head: 'scaled-bn', m: 0.15 }, 500))).toEqual([]);
    const unsure = message(epochs(4, { accuracy: 0.99 }), scaled(3.2, 500));
    expect(unsure).toMatch(/^accuracy is 99\.0 % of the training images, but/);
    expect(message(epochs(4, { validation: { accuracy: 0.99, loss: 1 } }), scaled(3.2, 500))).toMatch(
      /^accuracy is 99\.0 % of the validation images, but/,
    );
    expect(message(epochs(4, { loss: 6.1 }), scaled(0.5, 500))).toContain(
      'the scale 0.5 is too small for 500 classes: even a perfect embedding gets a probability of 0.33 %',
    );
  });

  test('fixed centroids in too few dimensions', () => {
    expect(names(epochs(4, {}), facts({ head: 'pedcc' }, 65))).toEqual([]);
    expect(names(epochs(4, {}), facts({ head: 'pedcc' }, 66))).toEqual(['crowded-centroids']);
  });
});

/** Lines of `npm run diagnoses -- --histories FILE`, rounded, with what has to be said after each epoch. */
interface Recorded {
  readonly run: string;
  readonly options: Record<string, unknown>;
  readonly numClasses: number;
  readonly samples: number;
  readonly history: Epoch[];
  readonly said: string[];
}
const RECORDED: Recorded[] = JSON.parse(
  readFileSync(join(packageRoot(), 'test/lib/diagnoses/histories.json'), 'utf8'),
);

test.each(RECORDED)('recorded: $run', ({ options, numClasses, samples, history, said }) => {
  const known = {
    ...facts(options, numClasses),
    images: images(samples),
  };
  expect(history.map((_, index) => names(history.slice(0, index + 1), known).join())).toEqual(said);
});

test('classes are counted among the images that are trained on', () => {
  const labels = Int32Array.from([0, 0, 0, 1, 2, 2]);
  const images = { data: new Uint8Array(6), shape: [6, 1, 1, 1] as const };
  const job = {
    settings: { optimizer: checkOptimizer('sgd', 'optimizer'), learningRate: schedules.constant(0.1) },
    head: resolveHead(checkHead({}), 4),
    train: { images, labels, numbers: Int32Array.from([0, 1, 3, 4]) },
    length: { steps: 3, stepsPerEpoch: 2, epochs: 2 },
  };
  const { images: counts, steps, classShares, networkRate } = runFacts(job as never, D);
  expect(networkRate).toBe(1);
  const rated = (...rates: number[]) => ({ ...job, layerRates: Float32Array.from(rates) }) as never;
  expect(runFacts(rated(0, 2, 0.5), D).networkRate).toBe(2);
  expect(runFacts(rated(0, 0), D).networkRate).toBe(0);
  expect(counts).toEqual({ training: 4, measured: 4, validation: 0 });
  expect(steps).toBe(3);
  expect(Array.from(classShares)).toEqual([0.5, 0.25, 0.25, 0]);
  const sampled = { ...job, settings: { ...job.settings, sampler: { type: 'classBalanced' } } } as never;
  expect(Array.from(runFacts(sampled, D).classShares)).toEqual([1 / 3, 1 / 3, 1 / 3, 0]);
});

test('momentum is the highest that the schedule of the rate has', () => {
  const factsWith = (optimizer: string, learningRate: Schedule) =>
    runFacts(
      {
        settings: { optimizer: checkOptimizer(optimizer, 'optimizer'), learningRate },
        head: resolveHead(checkHead({}), 2),
        train: { images: undefined, labels: Int32Array.of(0, 1), numbers: Int32Array.of(0, 1) },
        length: { steps: 3 },
      } as never,
      D,
    ).optimizer;
  const cycle = schedules.oneCycle({ peak: 1, momentum: { base: 0.5, max: 0.97 } });
  expect(factsWith('sgd', cycle)).toEqual({ type: 'sgd', momentum: 0.97 });
  expect(factsWith('sgd', schedules.oneCycle({ peak: 1 }))).toEqual({ type: 'sgd', momentum: 0.9 });
  expect(factsWith('adam', cycle)).toMatchObject({ type: 'adam' });
});
