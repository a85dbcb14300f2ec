/** Runs below a folder: which there are, what their files come to, and how they go on. */
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { lastEpoch, stepsPerEpoch } from '../../../lib/watch/epochs.js';
import { Series } from '../../../lib/watch/series.js';
import { sharesOf } from '../../../lib/watch/shares.js';
import { stateOf } from '../../../lib/watch/state.js';
import { WatchedRuns } from '../../../lib/watch/watchedRuns.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { writeLog } from '../logs/sampleLog.js';
import { addEvent, addStart, eventFile } from './eventFiles.js';

const inFolder = temporaryFolder();

const committed = (name: string) => join(packageRoot(), 'test/lib/logs', name);

/** Each time that it looks a second has passed. */
function watching() {
  let now = 0;
  const runs = new WatchedRuns(inFolder('runs'), () => {
    now += 1000;
    return now;
  });
  return {
    runs,
    named: (name: string) => runs.runs.find((run) => run.name === name)!,
    names: () => runs.runs.map((run) => run.name),
  };
}

test('each folder with event files is a run, in the order of numbers in names; new ones come behind', async () => {
  const { runs, names } = watching();
  await runs.refresh();
  expect([names(), runs.faults.map(({ code }) => code)]).toEqual([[], ['FILE_NOT_FOUND']]);
  for (const name of ['run10', 'run2', 'deep/er/one'])
    addEvent(inFolder('runs', name, eventFile()), 1, { a: 1 });
  mkdirSync(inFolder('runs', 'empty'));
  writeFileSync(inFolder('runs', 'events.txt'), 'none');
  symlinkSync(inFolder('runs'), inFolder('runs', 'round'));
  await until(runs, () => names().length === 3);
  expect([names(), runs.faults]).toEqual([['deep/er/one', 'run2', 'run10'], []]);
  addEvent(inFolder('runs', eventFile()), 1, { a: 1 });
  rmSync(inFolder('runs', 'run2'), { recursive: true });
  await until(runs, () => names().includes('.'));
  expect(runs.runs.map(({ name, index }) => [name, index])).toEqual([
    ['deep/er/one', 0],
    ['run10', 2],
    ['.', 3],
  ]);
});

/** A tree is not searched every time. */
async function until(runs: WatchedRuns, isThere: () => boolean): Promise<void> {
  for (let looks = 0; looks < 100; looks++) {
    await runs.refresh();
    if (isThere()) return;
  }
}

test('a version stays while nothing is new', async () => {
  const path = inFolder('runs', 'a', eventFile());
  addEvent(path, 1, { a: 1 });
  const { runs } = watching();
  await runs.refresh();
  const { version } = runs;
  await runs.refresh();
  expect(runs.version).toBe(version);
  addEvent(path, 2, { a: 1 });
  await runs.refresh();
  expect(runs.version).toBeGreaterThan(version);
});

test('of a log of ours: epochs, the last step, its outcome', async () => {
  await writeLog(inFolder('runs', 'whole'));
  await writeLog(inFolder('runs', 'broken'), { last: 3, error: new Error('enough') });
  const { runs, named } = watching();
  await runs.refresh();
  const [whole, broken] = [named('whole'), named('broken')];
  expect([whole.step, lastEpoch(whole), whole.outcome, whole.last('test/accuracy')]).toEqual([
    ...[4, 2, 'ended', 0.875],
  ]);
  expect(whole.points('epoch/loss')).toEqual([
    [2, 1],
    [4, 0.5],
  ]);
  expect(whole.histogram('head/featureNorm')).toMatchObject({ min: 1, max: 3 });
  expect([broken.step, lastEpoch(broken), broken.outcome]).toEqual([3, 1, 'failed']);
  expect(broken.last('step/loss')).toBe(0.125);
});

test('a run that goes on after it was stopped has no step twice', async () => {
  const path = inFolder('runs', 'a');
  for (const step of [1, 2, 3, 4]) addEvent(join(path, eventFile(1)), step, { loss: step, old: step });
  addStart(join(path, eventFile(2)), 3);
  const { runs, named } = watching();
  await runs.refresh();
  expect(named('a').points('loss')).toEqual([
    [1, 1],
    [2, 2],
  ]);
  expect(named('a').step).toBe(2);
  addEvent(join(path, eventFile(2)), 3, { loss: 30 });
  await runs.refresh();
  expect(
    named('a')
      .points('loss')
      .map(([, value]) => value),
  ).toEqual([1, 2, 30]);
  expect(
    named('a')
      .points('old')
      .map(([, value]) => value),
  ).toEqual([1, 2]);
  expect(named('a').step).toBe(3);
});

test("PyTorch's writer that goes on with purge_step", async () => {
  const path = inFolder('runs', 'torch', eventFile(1));
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(committed('pytorch.tfevents'), path);
  copyFileSync(committed('pytorch-resumed.tfevents'), inFolder('runs', 'torch', eventFile(2)));
  const { runs, named } = watching();
  await runs.refresh();
  expect(named('torch').points('plain')).toEqual([
    [0, 1],
    [1, 0.5],
    [2, 8],
  ]);
  expect(named('torch').outcome).toBeUndefined();
});

test('a start within a file voids what is before it there, too', async () => {
  const path = inFolder('runs', 'a', eventFile());
  for (const step of [1, 2, 3]) addEvent(path, step, { loss: step });
  addStart(path, 2);
  addEvent(path, 2, { loss: 20 });
  const { runs, named } = watching();
  await runs.refresh();
  expect(named('a').points('loss')).toEqual([
    [1, 1],
    [2, 20],
  ]);
});

test('a file that is corrupt is said, and others are read', async () => {
  await writeLog(inFolder('runs', 'good'));
  const path = inFolder('runs', 'bad', eventFile());
  addEvent(path, 1, { loss: 1 });
  const bytes = readFileSync(path);
  writeFileSync(path, Buffer.concat([bytes, Buffer.from(bytes).fill(1, 12, 14), bytes]));
  const { runs, named } = watching();
  await runs.refresh();
  expect(runs.faults).toMatchObject([{ code: 'FILE_CORRUPT', details: { path } }]);
  expect(named('good').step).toBe(4);
  truncateSync(path, 0);
  await runs.refresh();
  expect(runs.faults).toEqual([]);
});

test.each([
  ['ended', { outcome: 'ended', wallTime: 0 }],
  ['failed', { outcome: 'failed', wallTime: 0 }],
  ['running', { outcome: undefined, wallTime: 960 }],
  ['silent', { outcome: undefined, wallTime: 930 }],
  ['running', { outcome: undefined, wallTime: undefined }],
])('%s: %o at second 1000', (state, run) => {
  expect(stateOf(run as Parameters<typeof stateOf>[0], 1_000_000)).toBe(state);
});

test.each([
  ['whole epochs', [10, 20, 30], 10, 3],
  ['the last one cut short', [10, 20, 25], 10, 3],
  ['one', [10], 10, 1],
  ['of a run that was resumed in a new folder', [110, 120, 130], 10, 13],
])('epochs by their last steps: %s', async (_, steps, each, last) => {
  for (const step of steps) addEvent(inFolder('runs', 'a', eventFile()), step, { 'epoch/loss': 1 });
  const { runs, named } = watching();
  await runs.refresh();
  expect([stepsPerEpoch(named('a')), lastEpoch(named('a'))]).toEqual([each, last]);
});

test('very many values: evenly some of them, the first and the last', () => {
  const series = new Series();
  for (let step = 0; step <= 100_001; step++) series.add(step, -step);
  const { points } = series;
  expect(points.length).toBeLessThanOrEqual(10_001);
  expect(points.length).toBeGreaterThan(5000);
  expect([points[0], points.at(-1)]).toEqual([
    [0, -0],
    [100_001, -100_001],
  ]);
  const apart = points.slice(1, -1).map(([step], index) => step - points[index]![0]);
  expect(new Set(apart)).toEqual(new Set([16]));
  series.clearFrom(32);
  series.add(32, 1);
  expect(series.points).toEqual([
    [0, -0],
    [16, -16],
    [32, 1],
  ]);
});

test('histograms in other bins: what a bucket has is spread over it', () => {
  const histogram = { min: 1, max: 5, limits: [2, 4, 5], counts: [2, 4, 2] };
  expect(sharesOf(histogram, 0, 1, 6)).toEqual([0, 0.25, 0.25, 0.25, 0.25, 0]);
  expect(sharesOf(histogram, 0, 3, 2)).toEqual([0.5, 0.5]);
  // TensorFlow's reach from the least to the greatest number that there is.
  const endless = { min: 1, max: 3, limits: [0, 2, Number.MAX_VALUE], counts: [0, 1, 1] };
  expect(sharesOf(endless, 0, 1, 4)).toEqual([0, 0.5, 0.5, 0]);
  expect(sharesOf({ min: 90, max: 90, limits: [90], counts: [4] }, 0, 1, 180)[90]).toBe(1);
});
