/** What is allowed and will not do what it seems to: noted in the result, and said once to whoever listens. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import type { ArraysInput } from '../../../lib/data/types.js';
import { type Dataset, schedules, type TrainOptions, train } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { first, sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;

beforeAll(async () => {
  data = await sample(60);
});

/** Display on, so that the test's own output has no warnings. Without 'auto' nothing is said of the device. */
async function notes(options: TrainOptions) {
  const small = { model: tinyModel, device: 'cpu', threads: 1, batchSize: 20, epochs: 2 } as const;
  const result = await train({ data, ...small, ...options });
  result.model.dispose();
  return result.notes;
}

const note = (code: string, ...texts: string[]) => ({
  code,
  message: expect.stringMatching(
    new RegExp(texts.map((text) => text.replaceAll(/[()[\].?]/g, '\\$&')).join('.*')),
  ),
});

test('a run of which there is nothing to say has no notes', async () => {
  expect(await notes({})).toEqual([]);
});

describe('classes without a training image', () => {
  const labelled = (label: (sample: number) => number, classNames?: string[]): ArraysInput => ({
    images: first(data.train, 40).images,
    labels: Array.from({ length: 40 }, (_, sample) => label(sample)),
    ...(classNames && { classNames }),
  });
  const of = (given: ArraysInput) => notes({ data: given, validation: 0.1 });

  test('labels that count from 1', async () => {
    expect(await of(labelled((sample) => 1 + (sample % 4)))).toEqual([
      note('EMPTY_CLASSES', 'Class 0 of 5 has no training image: labels count from 0. Subtract 1'),
    ]);
  });

  test('identity numbers', async () => {
    expect(await of(labelled((sample) => 1000 * (1 + (sample % 3))))).toEqual([
      note(
        'EMPTY_CLASSES',
        '2998 of 3001 classes have no training image: 0, 1, 2, 3, 4, …. ',
        'number the 3 that occur from 0',
      ),
    ]);
  });

  test('a single label', async () => {
    for (const label of [0, 3]) {
      expect(await of(labelled(() => label))).toEqual([
        note('EMPTY_CLASSES', 'All images are of one class, so there is nothing to tell apart'),
      ]);
    }
  });

  test('names without images', async () => {
    expect(await of(labelled((sample) => 2 * (sample % 2), ['cat', 'dog', 'hen', 'elk']))).toEqual([
      note(
        'EMPTY_CLASSES',
        "2 of 4 classes have no training image: 1 'dog', 3 'elk'. Nothing will be told to be",
      ),
    ]);
  });

  test('none, where each has one', async () => {
    expect(await of(labelled((sample) => sample % 4))).toEqual([]);
  });
});

test.each<[TrainOptions, string, ...string[]]>([
  [{ batchSize: 61 }, 'BATCH_LARGER_THAN_DATA', 'batchSize 61 is larger than the 60 training images'],
  [
    { learningRate: schedules.step({ base: 0.01, milestones: [1, 2, 30] }) },
    'MILESTONES_BEYOND_END',
    'never comes to the milestones 2, 30: milestones are epochs, and after 2 the run is over',
  ],
  [
    { learningRate: schedules.warmup(schedules.step({ base: 0.01, milestones: [5] }), 0.1) },
    'MILESTONES_BEYOND_END',
    'never comes to the milestone 5: ',
  ],
  [
    { learningRate: schedules.cosine({ base: 0.01, warmup: 7 }) },
    'WARMUP_BEYOND_END',
    "the learning rate's warm-up takes 7 steps, and the run has 6: it never comes to the full rate",
  ],
  [
    { learningRate: schedules.warmup(schedules.cosine({ base: 0.01, warmup: 9 }), 7) },
    'WARMUP_BEYOND_END',
    "the learning rate's warm-up takes 7 and 9 steps, and the run has 6",
  ],
  [
    { head: 'arcface', s: 8, marginWarmup: 7 },
    'MARGIN_WARMUP_BEYOND_END',
    'marginWarmup takes 7 steps, and the run has 6: it never comes to the whole margin',
  ],
  [{ head: 'am-softmax', m: 1.2 }, 'NO_SCALE_SUFFICES', 'No scale suffices for this margin: with 10 classes'],
  [{ head: 'softmax', marginWarmup: 0.5 }, 'NO_MARGIN', 'marginWarmup has no effect'],
])('%j is noted as %s', async (options, code, ...texts) => {
  expect(await notes(options)).toContainEqual(note(code, ...texts));
});

test('of a margin that there is not nothing else is said', async () => {
  expect(await notes({ head: 'softmax', marginWarmup: 1e6 })).toEqual([
    note('NO_MARGIN', 'marginWarmup has no effect'),
  ]);
});

test('weights of classes without images alone are refused', async () => {
  const { images, labels } = first(data.train, 40);
  const classNames = ['a', 'b', 'c'];
  const given = { images, labels: Array.from(labels, (label) => label % 2), classNames };
  const weighted = (classWeights: number[]) => notes({ data: given, classWeights, epochs: 1 });
  const error = await refusal(() => weighted([0, 0, 1]));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain(
    'Expected a weight above 0 for a class that has training images for classWeights but received [0,0,1]',
  );
  expect((await weighted([0, 1, 1])).map(({ code }) => code)).toContain('EMPTY_CLASSES');
});

test.each<[TrainOptions]>([
  [{ batchSize: 60 }],
  [{ learningRate: schedules.step({ base: 0.01, milestones: [1, 1.9] }) }],
  [{ learningRate: schedules.cosine({ base: 0.01, warmup: 6 }) }],
  [{ head: 'arcface', s: 8, marginWarmup: 6 }],
  [{ learningRate: () => 0.01 }],
])('%j is just within, and not noted', async (options) => {
  expect(await notes(options)).toEqual([]);
});

describe('in a process of its own', () => {
  /** Two runs whose scale is too small, and one with a batch that is too large. */
  const program = (progress: string) => `
    const { sequential, linear, train } = require('margincore');
    const heard = [];
    process.on('warning', ({ name, code, message }) => heard.push({ name, code, message }));
    const images = { data: new Uint8Array(40).map((_, i) => 37 * i), shape: [10, 2, 2, 1] };
    const labels = Array.from({ length: 10 }, (_, i) => i);
    const options = { data: { images, labels }, model: sequential([linear({ outFeatures: 4 })]), epochs: 1, batchSize: 5 };
    (async () => {
      for (const changes of [{ head: 'arcface', s: 2 }, { head: 'arcface', s: 3 }, { batchSize: 11 }]) {
        (await train({ ...options, ...changes, device: 'auto', progress: ${progress} })).model.dispose();
      }
      setImmediate(() => console.log(JSON.stringify(heard)));
    })();`;
  const evaluate = async (progress: string, ...flags: string[]) => {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [...flags, '-e', program(progress)],
      { cwd: packageRoot() },
    );
    return { heard: JSON.parse(stdout), stderr };
  };

  const WARNINGS = [
    { code: 'MARGINCORE_SCALE_TOO_SMALL', message: expect.stringContaining('s = 2 is below 4.44') },
    { code: 'MARGINCORE_BATCH_LARGER_THAN_DATA', message: expect.stringContaining('the 10 training images') },
  ].map((warning) => ({ name: 'MarginCoreWarning', ...warning }));

  test.each(["'auto'", 'false'])(
    'without a display (progress: %s) each is a warning, once',
    async (progress) => {
      const { heard, stderr } = await evaluate(progress);
      expect(heard).toEqual(WARNINGS);
      expect(stderr.match(/s = 2 is below/g)).toHaveLength(1);
      expect(stderr).toMatch(
        /^\(node:\d+\) \[MARGINCORE_SCALE_TOO_SMALL\] MarginCoreWarning: s = 2 is below/m,
      );
      expect(stderr).not.toContain('CUDA'); // how it is done is no warning
    },
  );

  test("Node's own flag silences them", async () => {
    const { heard, stderr } = await evaluate('false', '--no-warnings');
    expect(heard).toEqual(WARNINGS); // whoever listens is told
    expect(stderr).toBe('');
  });

  test('where a display shows them they are not said again', async () => {
    const { heard, stderr } = await evaluate('true');
    expect(heard).toEqual([]);
    expect(stderr.match(/note: s = 2 is below/g)).toHaveLength(1);
    expect(stderr.match(/batchSize 11 is larger/g)).toHaveLength(1);
  });
});

test('a model that is to see pictures otherwise than its data was made of them', async () => {
  const preprocessing = { resize: 'cover', background: 0 } as const;
  const pictures = { ...data, preprocessing };
  expect(await notes({ data: pictures })).toEqual([]);
  expect(await notes({ data: pictures, preprocessing: { resize: 'cover' } })).toEqual([]);
  expect(await notes({ data: pictures, preprocessing: { resize: 'stretch' } })).toEqual([
    note(
      'PREPROCESSING_DIFFERS',
      'The model will bring pictures to size by',
      'stretch',
      'the data was by',
      'cover',
    ),
  ]);
});
