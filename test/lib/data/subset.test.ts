/** Parts of data sets: which samples they have, that these are the right ones, and that no pixel is copied for them. */
import { ChosenImages } from '../../../lib/data/chosenImages.js';
import { fingerprint } from '../../../lib/data/fingerprint.js';
import { readPacked, writePacked } from '../../../lib/data/packed/packedFile.js';
import { PackedImages } from '../../../lib/data/packedImages.js';
import { pixelsOf } from '../../../lib/data/pixels.js';
import { allOf, imagesOf } from '../../../lib/data/samples.js';
import {
  type Dataset,
  datasets,
  type Split,
  type SubsetOptions,
  type TrainOptions,
  train,
} from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();
const NAMES = ['ant', 'bee', 'cat', 'dog', '0'];

/** A split whose images of 1×1 pixel hold their own number. */
const numbered = (labels: readonly number[], first = 0): Split => ({
  images: { data: Uint8Array.from(labels, (_, number) => first + number), shape: [labels.length, 1, 1, 1] },
  labels: Int32Array.from(labels),
});

/** So many images of each class, the classes taking turns as long as they have some. */
function inTurns(counts: readonly number[]): number[] {
  const left = [...counts];
  const labels: number[] = [];
  while (left.some((count) => count > 0)) {
    for (const [label, count] of left.entries()) {
      if (count === 0) continue;
      labels.push(label);
      left[label]!--;
    }
  }
  return labels;
}

const dataset = (train: Split, test?: Split): Dataset => ({
  ...{ name: 'mine', train, classNames: NAMES, numClasses: NAMES.length },
  ...(test && { test }),
});

const data = dataset(numbered([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]), numbered([4, 3, 2, 1, 0], 100));

/** Each sample as the number that its image holds, and its label. */
const samplesOf = ({ images, labels }: Split) =>
  Array.from(labels, (label, sample) => [pixelsOf(images, sample)[0], label]);

const countsOf = ({ labels }: Split) =>
  NAMES.map((_, label) => labels.filter((each) => each === label).length);

test.each<[string, SubsetOptions['classes'], string[], number[][], number[][]]>([
  [
    'the first two',
    2,
    ['ant', 'bee'],
    [
      [0, 0],
      [1, 1],
      [5, 0],
      [6, 1],
    ],
    [
      [103, 1],
      [104, 0],
    ],
  ],
  [
    'by name',
    ['dog', 'ant'],
    ['dog', 'ant'],
    [
      [0, 1],
      [3, 0],
      [5, 1],
      [8, 0],
    ],
    [
      [101, 0],
      [104, 1],
    ],
  ],
  [
    'by number',
    [2, 1],
    ['cat', 'bee'],
    [
      [1, 1],
      [2, 0],
      [6, 1],
      [7, 0],
    ],
    [
      [102, 0],
      [103, 1],
    ],
  ],
  [
    'a name before a number',
    ['0', '3'],
    ['0', 'dog'],
    [
      [3, 1],
      [4, 0],
      [8, 1],
      [9, 0],
    ],
    [
      [100, 0],
      [101, 1],
    ],
  ],
])('classes, %s', (_, classes, classNames, trained, tested) => {
  const part = datasets.subset(data, { classes: classes! });
  expect(part).toMatchObject({ classNames, numClasses: classNames.length });
  expect(samplesOf(part.train)).toEqual(trained);
  expect(samplesOf(part.test!)).toEqual(tested);
  expect(part.train.images.shape).toEqual([trained.length, 1, 1, 1]);
  expect([...part.train.images.data]).toEqual(trained.map(([number]) => number));
});

test('a test set without an image of the classes is left out', () => {
  const part = datasets.subset(dataset(data.train, numbered([0, 0])), { classes: ['bee', 'cat'] });
  expect(part.test).toBeUndefined();
});

test('take keeps the share of each class, to within one image, and spreads over its images', () => {
  const whole = dataset(numbered(inTurns([60, 30, 10, 4, 0])));
  for (const take of [1, 4, 20, 52, 103, 104]) {
    const part = datasets.subset(whole, { take });
    expect(part.train.labels).toHaveLength(take);
    for (const [label, count] of countsOf(part.train).entries()) {
      expect(Math.abs(count - (take * [60, 30, 10, 4, 0][label]!) / 104)).toBeLessThan(1);
    }
    const numbers = samplesOf(part.train).map(([number]) => number!);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  }
  // Every second of the 60, in the order of the class.
  const ants = samplesOf(datasets.subset(whole, { take: 52 }).train).filter(([, label]) => label === 0);
  const all = samplesOf(whole.train).filter(([, label]) => label === 0);
  expect(ants).toEqual(all.filter((_, index) => index % 2 === 0));
});

test('takePerClass has as many of each, of a smaller class all; take then takes of these', () => {
  const whole = dataset(numbered(inTurns([60, 30, 10, 4, 0])), numbered([0, 1]));
  expect(countsOf(datasets.subset(whole, { takePerClass: 7 }).train)).toEqual([7, 7, 7, 4, 0]);
  expect(countsOf(datasets.subset(whole, { takePerClass: 20, take: 27 }).train)).toEqual([10, 10, 5, 2, 0]);
  const both = datasets.subset(whole, { classes: ['cat', 'ant'], takePerClass: 5 });
  expect(countsOf(both.train)).toEqual([5, 5, 0, 0, 0]);
  expect(both.test!.labels).toEqual(Int32Array.of(1));
  expect(datasets.subset(whole, { takePerClass: 7 }).test).toEqual(whole.test);
});

test('a part of a part is one of the whole, and what is not chosen stays as it is', () => {
  const part = datasets.subset(datasets.subset(data, { classes: [3, 2, 1] }), { classes: [2, 0], take: 3 });
  expect(samplesOf(part.train)).toEqual(
    samplesOf(datasets.subset(data, { classes: ['bee', 'dog'], take: 3 }).train),
  );
  expect((part.train.images as ChosenImages).source).not.toBeInstanceOf(ChosenImages);
  const whole = { ...data, preprocessing: { resize: 'contain', background: 3 }, notes: [] } as const;
  expect(datasets.subset(whole, {})).toEqual(whole);
  expect(datasets.subset(whole, { take: 2 })).toMatchObject({
    preprocessing: whole.preprocessing,
    name: 'mine',
  });
});

test('no pixel is copied: views of the array that there is', () => {
  const { images } = datasets.subset(data, { classes: [0, 2] }).train;
  expect(pixelsOf(images, 1).buffer).toBe(data.train.images.data.buffer);
  expect(pixelsOf(images, 0, 4).buffer).not.toBe(data.train.images.data.buffer);
  expect([...pixelsOf(images, 1, 2)]).toEqual([2, 5]);
  const neighbours = datasets.subset(data, { classes: [0, 1] }).train.images;
  expect(pixelsOf(neighbours, 0, 2).buffer).toBe(data.train.images.data.buffer);
  expect([...pixelsOf(neighbours, 2, 2)]).toEqual([5, 6]);
});

test('it has the fingerprint of the arrays that it stands for, and no other part has it', async () => {
  const of = (split: Split) => fingerprint(allOf(split));
  const part = datasets.subset(data, { classes: [1, 3] }).train;
  const array = {
    images: { data: Uint8Array.of(1, 3, 6, 8), shape: [4, 1, 1, 1] as const },
    labels: [0, 1, 0, 1],
  };
  expect(await of(part)).toEqual(await of(datasets.fromArrays(array).train));
  expect(await of(part)).not.toEqual(await of(datasets.subset(data, { classes: [3, 1] }).train));
  expect(await of(part)).not.toEqual(await of(datasets.subset(data, { classes: [0, 3] }).train));
});

test('openSet: the last classes are unseen, all others are seen, and nothing is in both', () => {
  const { seen, unseen } = datasets.openSet(data, { unseen: 2 });
  expect([seen.classNames, unseen.classNames]).toEqual([
    ['ant', 'bee', 'cat'],
    ['dog', '0'],
  ]);
  expect(samplesOf(seen.train)).toEqual([
    [0, 0],
    [1, 1],
    [2, 2],
    [5, 0],
    [6, 1],
    [7, 2],
  ]);
  expect(samplesOf(unseen.train)).toEqual([
    [3, 0],
    [4, 1],
    [8, 0],
    [9, 1],
  ]);
  expect(samplesOf(seen.test!)).toEqual([
    [102, 2],
    [103, 1],
    [104, 0],
  ]);
  expect(samplesOf(unseen.test!)).toEqual([
    [100, 1],
    [101, 0],
  ]);
});

test.each<[unknown, string]>([
  [{ classes: 1 }, 'Expected a whole number of at least 2 for classes but received 1'],
  [{ classes: 6 }, 'Expected a whole number in [2, 5] for classes but received 6'],
  [{ classes: ['ant'] }, 'a number of classes, or a list of two or more names or numbers for classes'],
  [{ classes: ['ant', 1.5] }, 'a list of two or more names or numbers for classes'],
  [
    { classes: ['ant', 'bea'] },
    'a whole number in [0, 4] for classes[1] but received "bea" of type string. Did you mean \'bee\'?',
  ],
  [{ classes: ['ant', 5] }, 'for classes[1] but received 5'],
  [{ classes: ['ant', '7'] }, 'for classes[1] but received "7"'],
  [{ classes: ['ant', 0] }, 'another class than before for classes[1] but received 0'],
  [{ take: 0 }, 'a whole number of at least 1 for take'],
  [
    { take: 11 },
    'Expected a whole number in [1, 10] for take but received 11 of type number. There are no more',
  ],
  [{ take: 5, classes: 2 }, 'Expected a whole number in [1, 4] for take'],
  [{ takePerClass: 1.5 }, 'for takePerClass but received 1.5'],
  [{ perClass: 3 }, "Did you mean 'takePerClass'?"],
  [3, 'Expected an object of classes, takePerClass and take for options'],
])('%j is refused', async (options, message) => {
  const error = await refusal(() => datasets.subset(data, options as SubsetOptions));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain(message);
});

test('refused: a name of two classes, classes without images, data that is still loading, too few classes to divide', async () => {
  const twins = { ...data, classNames: ['ant', 'bee', 'ant', 'dog', 'eel'] };
  expect((await refusal(() => datasets.subset(twins, { classes: ['bee', 'ant'] }))).message).toContain(
    'the name of one class for classes[1] but received "ant" of type string. Several are called so: numbers tell them apart',
  );
  expect(datasets.subset(twins, { classes: [1, 2] }).classNames).toEqual(['bee', 'ant']);
  const some = dataset(numbered([0, 0, 1]));
  expect(await refusal(() => datasets.subset(some, { classes: [3, 4] }))).toMatchObject({
    code: 'INVALID_DATA',
    message: 'classes: none of these classes has a training image',
  });
  const loading = Promise.resolve(data) as never;
  expect((await refusal(() => datasets.subset(loading, {}))).message).toContain('await it first');
  const open = (unseen: unknown, whole = data) =>
    refusal(() => datasets.openSet(whole, { unseen } as { unseen: number }));
  expect((await open(4)).message).toContain('Expected a whole number in [2, 3] for unseen but received 4');
  expect((await open(1)).message).toContain('for unseen but received 1');
  expect((await open(undefined)).message).toContain('for unseen but received undefined');
  const three = { ...some, classNames: ['a', 'b', 'c'], numClasses: 3 };
  expect(await open(2, three)).toMatchObject({ code: 'INVALID_DATA' });
});

describe('images in a file', () => {
  const SIDE = 28;
  const PIXELS = SIDE * SIDE;
  const COUNT = 120;
  let packed: Dataset;
  let all: Uint8Array;

  beforeEach(async () => {
    let state = 1;
    all = Uint8Array.from({ length: COUNT * PIXELS }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state >>> 24;
    });
    const labels = Int32Array.from({ length: COUNT }, (_, sample) => (sample * sample) % 5);
    await writePacked(
      inFolder('p.safetensors'),
      {
        size: [SIDE, SIDE, 1],
        labels,
        async *images() {
          yield all;
        },
      },
      { name: 'packed', classNames: NAMES, train: 90, notes: [] },
    );
    packed = await readPacked(inFolder('p.safetensors'));
  });

  const PART = { classes: [4, 1, 0], take: 40 } as const;

  /** The same as arrays, chosen by hand. */
  function byHand(): Dataset {
    const part = datasets.subset(packed, PART);
    const array = ({ images, labels }: Split) => ({ images: imagesOf(allOf({ images, labels })), labels });
    return { ...part, train: array(part.train), test: array(part.test!) };
  }

  const OPTIONS = {
    model: tinyModel,
    epochs: 2,
    batchSize: 16,
    validation: 0.25,
    head: 'arcface',
    s: 8,
    device: 'cpu',
    deterministic: true,
    threads: 1,
    progress: false,
  } satisfies TrainOptions;

  async function run(options: TrainOptions) {
    const { model, ...result } = await train({ ...OPTIONS, ...options } as TrainOptions);
    const { data: embeddings } = await model.embed(packed.test!.images);
    model.dispose();
    const history = result.history.map(({ seconds, imagesPerSecond, ...record }) => record);
    return { history, test: result.test, angles: result.angles, embeddings, options: result.options };
  }

  test('stay there, and are the right ones', () => {
    const { images, labels } = datasets.subset(packed, PART).train;
    expect((images as ChosenImages).source).toBeInstanceOf(PackedImages);
    expect(labels).toHaveLength(40);
    const { numbers } = images as ChosenImages;
    for (const [place, number] of numbers.entries()) {
      expect(PART.classes[labels[place]!]).toBe((number * number) % 5);
      const expected = all.subarray(number * PIXELS, (number + 1) * PIXELS);
      expect(Buffer.from(pixelsOf(images, place)).equals(expected)).toBe(true);
    }
  });

  test('train as arrays of them do, by the options of train() as by datasets.subset', async () => {
    const { options: _, ...expected } = await run({ data: byHand() });
    const { options: __, ...chosen } = await run({ data: datasets.subset(packed, PART) });
    expect(chosen).toEqual(expected);
    const { options, ...asked } = await run({ data: packed, ...PART });
    expect(asked).toEqual(expected);
    expect(options).toMatchObject(PART);
    expect(expected.test).toBeDefined();
  });

  test('are sampled as arrays of them are', async () => {
    const sampler = { type: 'perClass', classes: 3, images: 4 } as const;
    const { options: _, ...expected } = await run({ data: byHand(), sampler, batchSize: 12 });
    const { options: __, ...asked } = await run({ data: packed, ...PART, sampler, batchSize: 12 });
    expect(asked).toEqual(expected);
  });

  test('what is in force repeats the run', async () => {
    const { options, ...first } = await run({ data: packed, ...PART });
    const { options: _, ...again } = await run({ ...options, data: packed } as TrainOptions);
    expect(again).toEqual(first);
  });

  test('are predicted, embedded and evaluated as arrays are', async () => {
    const { model } = await train({ ...OPTIONS, data: byHand() });
    const [part, array] = [datasets.subset(packed, PART), byHand()];
    for (const name of ['train', 'test'] as const) {
      const [of, as] = [part[name]!, array[name]!];
      expect(await model.predict(of.images)).toEqual(await model.predict(as.images));
      expect(await model.embed(of.images)).toEqual(await model.embed(as.images));
      expect(await model.evaluate(of)).toEqual(await model.evaluate(as));
    }
    model.dispose();
  });

  test('classes of images that are given as validation are chosen with those of the data', async () => {
    const validation = packed.test!;
    const scored = (await run({ data: packed, classes: PART.classes, validation })).history;
    const expected = datasets.subset(packed, { classes: PART.classes });
    const byHand = await run({ data: expected, validation: expected.test! });
    expect(scored).toEqual(byHand.history);
    const none = { images: packed.train.images, labels: packed.train.labels.map(() => 3) };
    const error = await refusal(() => run({ data: packed, classes: [0, 1], validation: none }));
    expect(error.message).toBe('validation: no image is of the chosen classes');
    const wrong = { ...none, labels: none.labels.map(() => 5) };
    expect(
      (await refusal(() => run({ data: packed, classes: [0, 1], validation: wrong }))).message,
    ).toContain('validation.labels: label of sample 0: expected an integer in 0…4, found 5');
  });

  test('a run is resumed with the same part, and refused with another', async () => {
    const checkpoint = inFolder('run');
    const whole = await run({ data: packed, ...PART, checkpoint: inFolder('whole') });
    await run({
      ...{ data: packed, ...PART, checkpoint, checkpointEvery: { steps: 1 } },
      onStep: ({ step }, { stop }) => (step === 1 ? stop() : undefined),
    });
    const rest = await run({ data: datasets.subset(packed, PART), checkpoint, resume: true });
    expect(rest.history).toEqual(whole.history);
    expect(rest.embeddings).toEqual(whole.embeddings);
    for (const [other, what] of [
      [{ classes: PART.classes, take: 41 }, 'number of training images'],
      [{ classes: [4, 1, 2], take: 40 }, 'classNames'],
      [{ classes: [4, 1], take: 30 }, 'number of classes'],
      [{}, 'number of classes'],
    ] as const) {
      const error = await refusal(() => run({ data: packed, ...other, checkpoint, resume: true }));
      expect(error).toMatchObject({ code: 'CHECKPOINT_MISMATCH', message: expect.stringContaining(what) });
    }
  });
});
