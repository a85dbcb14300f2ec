import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { parseCsv } from '../../../lib/data/formats/csv.js';
import { train } from '../../../lib/index.js';
import { EPOCH_COLUMNS, STEP_COLUMNS } from '../../../lib/logs/columns.js';
import { isEventFile } from '../../../lib/logs/eventFile.js';
import { createLog } from '../../../lib/logs/runLog.js';
import type { StepEvent } from '../../../lib/training/events.js';
import type { Observer } from '../../../lib/training/observer.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';
import { decodeHparams, eventsOf, scalarsOf } from './readRecords.js';
import { clock, epochEvent, RUN, stepEvent, writeLog } from './sampleLog.js';

const inFolder = temporaryFolder();
afterEach(() => jest.restoreAllMocks());

const HERE = join(packageRoot(), 'test/lib/logs');

const eventFiles = (folder: string) =>
  readdirSync(folder)
    .filter(isEventFile)
    .sort()
    .map((name) => join(folder, name));

const table = (path: string) => {
  const [header, ...rows] = parseCsv(readFileSync(path, 'utf8')).map(({ fields }) => fields);
  return rows.map((fields) => Object.fromEntries(header!.map((name, index) => [name, fields[index]!])));
};

const golden = JSON.parse(readFileSync(join(HERE, 'sample.json'), 'utf8'));

test("what TensorBoard's reader was asked about is what is written", async () => {
  await writeLog(inFolder('log'));
  const [file] = eventFiles(inFolder('log'));
  expect(readFileSync(file!).equals(readFileSync(join(HERE, 'sample.tfevents')))).toBe(true);
});

test('and it found every value, where it belongs', () => {
  const expected: Record<string, [number, number | string][]> = { 'test/accuracy': [[4, 0.875]] };
  const found = Object.fromEntries(
    Object.entries(golden.scalars as Record<string, [number, number, number][]>).map(([tag, events]) => [
      tag,
      events.map(([, step, value]) => [step, value]),
    ]),
  );
  const add = (tag: string, step: number, value: number | undefined) => {
    if (value === undefined) return;
    expected[tag] ??= [];
    expected[tag].push([step, Number.isNaN(value) ? 'nan' : Math.fround(value)]);
  };
  for (const step of [1, 2, 3, 4]) {
    for (const { tag, value } of STEP_COLUMNS) add(tag, step, value(stepEvent(step), RUN));
  }
  for (const epoch of [1, 2]) {
    for (const { tag, value } of EPOCH_COLUMNS) add(tag, 2 * epoch, value(epochEvent(epoch), RUN));
  }
  expect(found).toEqual(expected);
  expect(found['step/gradientNorm']).toEqual([
    [1, 2],
    [2, 4],
    [3, 8],
    [4, 'nan'],
  ]);
  expect(found['epoch/m1']).toEqual([
    [2, 4],
    [4, 4],
  ]);
  expect(golden.fileVersion).toBe(2);
  expect(new Set(Object.values(golden.plugins))).toEqual(new Set(['scalars', 'histograms', 'text']));
  expect(Object.keys(golden.hparams)).not.toEqual([]);
});

test('histograms, of what is finite', () => {
  const of = (tag: string) =>
    golden.histograms[tag].map(([, step, value]: [number, number, object]) => [step, value]);
  const norms = { min: 1, max: 3, num: 3, sum: 6, sum_squares: 14 };
  expect(of('head/featureNorm')).toEqual([2, 4].map((step) => [step, expect.objectContaining(norms)]));
  const [[, { bucket, bucket_limit: limits }]] = of('head/weightNorm');
  expect(bucket).toHaveLength(30);
  const at = (value: number) => limits.findIndex((limit: number) => value <= limit + 1e-12);
  expect([at(1), at(2), at(4)].map((index) => bucket[index] ?? 0)).toContain(1);
  expect(bucket.reduce((sum: number, each: number) => sum + each)).toBe(3);
  expect(limits.at(-1)).toBe(4);
  // All are the same: a bucket without a width.
  expect(of('head/targetAngle')[0][1]).toMatchObject({
    bucket: [4],
    num: 4,
    min: expect.closeTo(90),
    max: expect.closeTo(90),
  });
});

test('options as a text, and as hyper-parameters', () => {
  const [[, step, [text]]] = golden.texts.options;
  expect(step).toBe(0);
  expect(JSON.parse(text.split('\n').slice(1, -1).join('\n'))).toEqual(RUN.options);
  expect(golden.texts['notes/CPU_TAKEN'][0].slice(1)).toEqual([0, ['Training on the **CPU**']]);
  const { '_hparams_/session_start_info': start, '_hparams_/session_end_info': end } = golden.hparams;
  expect(start.hparams).toEqual({
    ...{
      head: 'a-softmax',
      batchSize: 20,
      deterministic: true,
      'optimizer.type': 'sgd',
      'optimizer.momentum': 0.9,
    },
    ...{ 'learningRate.type': 'constant', 'learningRate.value': 0.25 },
    ...{ 'model.name': 'tiny', 'model.layers': '[{"type":"relu"}]' },
  });
  expect(end.status).toBe(1);
  expect(end.end).toBeGreaterThan(start.start);
  const types = Object.fromEntries(golden.hparams['_hparams_/experiment'].hparams);
  expect(types).toMatchObject({ head: 1, deterministic: 2, batchSize: 3 });
  expect(golden.hparams['_hparams_/experiment'].metrics).toContain('validation/accuracy');
});

test('tables: one header, CRLF, and quotes where a field has a comma', async () => {
  await writeLog(inFolder('log'));
  const text = readFileSync(inFolder('log', 'epochs.csv'), 'utf8');
  expect(text.split('\r\n')).toHaveLength(4);
  expect(text).toMatch(/,"guessing, collapsed"\r\n$/);
  const epochs = table(inFolder('log', 'epochs.csv'));
  expect(
    epochs.map(({ epoch, step, loss, validationLoss, targetAngleP95, m1 }) => [
      epoch,
      step,
      loss,
      validationLoss,
      targetAngleP95,
      m1,
    ]),
  ).toEqual([
    ['1', '2', '1', '1.5', '30', '4'],
    ['2', '4', '0.5', '1.5', '30', '4'],
  ]);
  const steps = table(inFolder('log', 'steps.csv'));
  expect(
    steps.map(({ step, epoch, loss, momentum, gradientNorm }) => [step, epoch, loss, momentum, gradientNorm]),
  ).toEqual([
    ['1', '1', '0.5', '', '2'],
    ['2', '1', '0.25', '', '4'],
    ['3', '2', '0.125', '', '8'],
    ['4', '2', '0.0625', '', 'NaN'],
  ]);
});

test('a resumed run goes on behind what is kept: no row is there twice', async () => {
  const now = clock();
  await writeLog(inFolder('log'), { last: 3, now, error: new Error('killed') });
  const path = inFolder('log', 'steps.csv');
  writeFileSync(path, `${readFileSync(path, 'utf8')}4,2,12`); // of a process that was killed as it wrote
  await writeLog(inFolder('log'), { done: 2, now });
  expect(table(path).map(({ step }) => step)).toEqual(['1', '2', '3', '4']);
  expect(table(inFolder('log', 'epochs.csv')).map(({ epoch }) => epoch)).toEqual(['1', '2']);
  const [before, after] = eventFiles(inFolder('log')).map(eventsOf);
  expect(scalarsOf(before!, 'step/loss').map(([step]) => step)).toEqual([1, 2, 3]);
  expect(scalarsOf(after!, 'step/loss').map(([step]) => step)).toEqual([3, 4]);
  expect(before!.some(({ sessionLog }) => sessionLog)).toBe(false);
  expect(after!.find(({ sessionLog }) => sessionLog)).toMatchObject({
    step: 3,
    sessionLog: { status: 'START' },
  });
});

test('tables of other columns are not continued', async () => {
  await writeLog(inFolder('log'), { last: 2 });
  writeFileSync(inFolder('log', 'epochs.csv'), 'epoch,loss\r\n1,2\r\n');
  expect(await refusal(() => writeLog(inFolder('log'), { done: 2 }))).toMatchObject({ code: 'FILE_CORRUPT' });
});

test('very many steps: TensorBoard gets every third of 25,000, the table all', async () => {
  const log = createLog({ logDir: inFolder('log'), resume: false }, clock()) as Required<Observer>;
  await log.open(() => undefined);
  await log.start({ ...RUN, steps: 25_000 });
  for (let step = 1; step <= 10; step++) log.step({ ...stepEvent(1), step }, { stop: () => undefined });
  await log.end({ error: new Error('enough') });
  const [events] = eventFiles(inFolder('log')).map(eventsOf);
  expect(scalarsOf(events!, 'step/loss').map(([step]) => step)).toEqual([3, 6, 9]);
  expect(table(inFolder('log', 'steps.csv'))).toHaveLength(10);
});

/** Makes writes to files fail as on a full disk until the function that is returned is called. */
async function fullDisk(): Promise<() => void> {
  const file = await open(inFolder('any'), 'w');
  const prototype = Object.getPrototypeOf(file) as FileHandle;
  await file.close();
  const failure = Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' });
  const spy = jest.spyOn(prototype, 'write').mockRejectedValue(failure);
  return () => spy.mockRestore();
}

test('a disk that is full for a while is a note; what was not written then is written later', async () => {
  const said: string[] = [];
  const log = createLog({ logDir: inFolder('log'), resume: false }, clock()) as Required<Observer>;
  await log.open(({ code, message }) => said.push(`${code}: ${message}`));
  await log.start(RUN);
  const empty = await fullDisk();
  log.step(stepEvent(1), { stop: () => undefined });
  await log.epoch(epochEvent(1), { stop: () => undefined, model: undefined as never });
  expect(said[0]).toMatch(/^LOG_FAILED: .*the disk is full/);
  empty();
  log.step(stepEvent(2), { stop: () => undefined });
  await log.end({ error: new Error('enough') });
  expect(table(inFolder('log', 'steps.csv')).map(({ step }) => step)).toEqual(['1', '2']);
  const [events] = eventFiles(inFolder('log')).map(eventsOf);
  expect(scalarsOf(events!, 'step/loss').map(([step]) => step)).toEqual([1, 2]);
});

describe('of train()', () => {
  const options = async () => ({
    ...{
      data: await sample(80, 10),
      model: tinyModel,
      batchSize: 20,
      epochs: 2,
      device: 'cpu' as const,
      threads: 1,
    },
    ...{ progress: false, logDir: inFolder('log') },
  });

  test('steps, epochs, the test accuracy and the options are there', async () => {
    const seen: StepEvent[] = [];
    const {
      model,
      history,
      test: scores,
    } = await train({
      ...{ ...(await options()), head: 'arcface', validation: 0.25, logEmbeddings: 5 },
      onStep: (event) => seen.push(event),
    });
    model.dispose();
    const [events] = eventFiles(inFolder('log')).map(eventsOf);
    expect(scalarsOf(events!, 'step/loss')).toEqual(seen.map(({ step, loss }) => [step, Math.fround(loss)]));
    expect(scalarsOf(events!, 'validation/loss')).toEqual(
      history.map(({ epoch, steps, validation }) => [steps * epoch, Math.fround(validation!.loss)]),
    );
    expect(scalarsOf(events!, 'test/accuracy')).toEqual([[seen.length, Math.fround(scores!.accuracy)]]);
    expect(scalarsOf(events!, 'step/lambda')).toEqual([]);
    const values = events!.flatMap(({ summary }) => summary?.value ?? []);
    const histograms = values.filter(({ tag, histo }) => histo && tag === 'head/weightNorm');
    expect(histograms.map(({ histo }) => histo!.bucket.reduce((sum, each) => sum + each))).toEqual([10, 10]);
    const start = values.find(({ tag }) => tag === '_hparams_/session_start_info')!;
    const { hparams } = decodeHparams(start.metadata!.pluginData.content).sessionStartInfo;
    expect(hparams).toContainEqual({ key: 'head', value: { stringValue: 'arcface' } });
    expect(events![0]).toMatchObject({ fileVersion: 'brain.Event:2' });
    expect(events![0]!.wallTime).toBeCloseTo(Date.now() / 1000, -4);
    expect(table(inFolder('log', 'steps.csv')).map(({ loss }) => Number(loss))).toEqual(
      seen.map(({ loss }) => loss),
    );
  });

  test('embeddings for the projector: of the test images, with their pictures', async () => {
    const given = { ...(await options()), epochs: 1, logEmbeddings: 5 };
    const { model } = await train({ ...given, head: 'arcface' });
    const images = given.data.test!.images.data;
    const shown = [0, 2, 4, 6, 8];
    const each = shown.map((number) => images.slice(784 * number, 784 * (number + 1)));
    const { data } = await model.embed({ data: Buffer.concat(each), shape: [5, 28, 28, 1] });
    const { classNames } = model;
    model.dispose();
    const lines = (name: string) => readFileSync(inFolder('log', name), 'utf8').trimEnd().split('\n');
    expect(lines('tensors.tsv').flatMap((line) => line.split('\t').map(Number))).toEqual([...data]);
    expect(lines('metadata.tsv')).toEqual([
      'class\timage',
      ...shown.map((number) => `${classNames[given.data.test!.labels[number]!]}\t${number}`),
    ]);
    const { data: sprite, info } = await sharp(inFolder('log', 'sprite.png'))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([84, 84]);
    const fourth = Array.from(
      { length: 784 },
      (_, at) => sprite[((28 + Math.floor(at / 28)) * 84 + (at % 28)) * info.channels],
    );
    expect(fourth).toEqual([...each[3]!]);
    expect(readFileSync(inFolder('log', 'projector_config.pbtxt'), 'utf8')).toContain(
      'tensor_shape: 5\n  tensor_shape: 16\n',
    );
  });

  test('a run that an error ends is there up to then', async () => {
    const fault = new Error('enough');
    const given = await options();
    const failing = train({
      ...given,
      onEpoch: () => {
        throw fault;
      },
    });
    await expect(failing).rejects.toBe(fault);
    const [events] = eventFiles(inFolder('log')).map(eventsOf);
    expect(scalarsOf(events!, 'step/loss').map(([step]) => step)).toEqual([1, 2, 3, 4]);
    const end = events!
      .flatMap(({ summary }) => summary?.value ?? [])
      .find(({ tag }) => tag.endsWith('end_info'))!;
    expect(decodeHparams(end.metadata!.pluginData.content).sessionEndInfo.status).toBe('STATUS_FAILURE');
  });

  test('resumed from a checkpoint it has the steps of a run that was never stopped', async () => {
    const given = {
      ...(await options()),
      checkpoint: inFolder('checkpoints'),
      checkpointEvery: { steps: 3 },
      epochs: 3,
    };
    const stopping = train({
      ...given,
      onEpoch: ({ epoch }) => {
        if (epoch === 2) throw new Error('killed');
      },
    });
    await expect(stopping).rejects.toThrow('killed');
    const { model } = await train({ ...given, resume: true });
    model.dispose();
    const steps = Array.from({ length: 12 }, (_, index) => String(index + 1));
    expect(table(inFolder('log', 'steps.csv')).map(({ step }) => step)).toEqual(steps);
    expect(table(inFolder('log', 'epochs.csv')).map(({ epoch }) => epoch)).toEqual(['1', '2', '3']);
    expect(eventFiles(inFolder('log'))).toHaveLength(2);
  });

  test('steps that were run while a callback broke the run off are there: it goes on behind them', async () => {
    const given = { ...(await options()), checkpoint: inFolder('checkpoints'), epochs: 3 };
    const heard: number[] = [];
    const breaking = train({
      ...given,
      onStep: ({ step }) => {
        heard.push(step);
        if (step === 6) throw new Error('enough');
      },
    });
    await expect(breaking).rejects.toThrow('enough');
    expect(heard).toEqual([1, 2, 3, 4, 5, 6]);
    const { model } = await train({ ...given, resume: true, onStep: ({ step }) => heard.push(step) });
    model.dispose();
    // All of the second epoch was run in one call: nobody hears of its last two steps.
    expect(heard.slice(6)).toEqual([9, 10, 11, 12]);
    const steps = Array.from({ length: 12 }, (_, index) => String(index + 1));
    expect(table(inFolder('log', 'steps.csv')).map(({ step }) => step)).toEqual(steps);
    const logged = eventFiles(inFolder('log')).flatMap((file) => scalarsOf(eventsOf(file), 'step/loss'));
    expect(logged.map(([step]) => String(step))).toEqual(steps);
  });

  test('a new run where there is a log is refused, and leaves it', async () => {
    const given = { ...(await options()), epochs: 1 };
    (await train(given)).model.dispose();
    const size = () => statSync(inFolder('log', 'steps.csv')).size;
    const before = size();
    expect(await refusal(() => train(given))).toMatchObject({ code: 'LOG_EXISTS' });
    expect(size()).toBe(before);
  });

  test('a folder that cannot be is refused before data is looked at', async () => {
    writeFileSync(inFolder('file'), '');
    const logDir = inFolder('file', 'log');
    const error = await refusal(() => train({ data: 'nowhere/at/all', logDir }));
    expect(error).toMatchObject({ code: 'FILE_NOT_WRITTEN', details: { path: logDir } });
  });

  test('nothing of it without its folder', async () => {
    expect(await refusal(() => train({ logEmbeddings: 5 }))).toMatchObject({
      code: 'INVALID_OPTION',
      details: { option: 'logEmbeddings' },
    });
    expect(existsSync(inFolder('log'))).toBe(false);
  });
});
