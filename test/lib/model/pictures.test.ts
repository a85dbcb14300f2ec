/** The model's methods on pictures: as files, folders, bytes, lists, and one after another. */
import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { type Dataset, type Model, Model as ModelClass, train } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { first, sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();
let data: Dataset;
let model: Model;

beforeAll(async () => {
  const { classNames, ...images } = await sample(200, 12);
  data = { ...images, classNames: classNames.map((name) => name.replace('/', ' ')) }; // as folders may be called
  model = (
    await train({
      data,
      model: tinyModel,
      head: 'arcface',
      epochs: 1,
      batchSize: 32,
      device: 'cpu',
      progress: false,
    })
  ).model;
});

afterAll(() => model.dispose());

/** The test images as PNG files, two of them in a folder of their own. */
async function files(): Promise<string[]> {
  mkdirSync(inFolder('more'));
  const { data: pixels } = data.test!.images;
  return Promise.all(
    Array.from({ length: 12 }, async (_, n) => {
      const png = await sharp(pixels.subarray(n * 784, (n + 1) * 784), {
        raw: { width: 28, height: 28, channels: 1 },
      })
        .png()
        .toBuffer();
      const path = inFolder(n < 10 ? `${n}.png` : `more/${n}.png`);
      writeFileSync(path, png);
      return path;
    }),
  );
}

test('files, their folder, their bytes and an async iterable give what the array gives', async () => {
  const paths = await files();
  const { files: none, ...expected } = await model.predict(data.test!.images);
  expect(none).toBeUndefined();
  expect(await model.predict(paths)).toEqual({ ...expected, files: paths });
  expect(await model.predict(inFolder())).toEqual({ ...expected, files: paths });
  const bytes = paths.map((path) => readFileSync(path));
  expect(await model.predict(bytes)).toEqual(expected);
  async function* oneByOne() {
    for (const path of paths) yield path;
  }
  expect(await model.predict(oneByOne())).toEqual({ ...expected, files: paths });
  const one = await model.predict(paths[3]!);
  expect([...one.labels]).toEqual([expected.labels[3]]);
  const { data: embedded, shape } = await model.embed(data.test!.images);
  expect(await model.embed(inFolder())).toEqual({ data: embedded, shape, files: paths });
});

test('more than are decoded at once', async () => {
  const [path] = await files();
  const { labels } = await model.predict(Array(600).fill(path));
  expect(new Set(labels)).toEqual(new Set((await model.predict(first(data.test!, 1).images)).labels));
  expect(labels).toHaveLength(600);
});

test('how pictures come to size is kept with the model', async () => {
  const options = {
    data,
    model: tinyModel,
    epochs: 1,
    batchSize: 32,
    device: 'cpu',
    progress: false,
  } as const;
  const trained = await train({ ...options, preprocessing: { resize: 'stretch', background: 9 } });
  using stretching = trained.model;
  expect(trained.options.preprocessing).toEqual({ resize: 'stretch', background: 9 });
  await stretching.save(inFolder('model'));
  using loaded = await ModelClass.load(inFolder('model'), { device: 'cpu' });
  const wide = await sharp({ create: { width: 90, height: 30, channels: 3, background: 'white' } })
    .composite([{ input: { create: { width: 30, height: 30, channels: 3, background: 'black' } } }])
    .png()
    .toBuffer();
  expect(await loaded.predict(wide)).toEqual(await stretching.predict(wide));
  expect(await loaded.predict(wide)).not.toEqual(await model.predict(wide));
});

describe('folders of classes', () => {
  /** The test images, each in the folder of its class. */
  async function inClasses(): Promise<void> {
    for (const [n, path] of (await files()).entries()) {
      const folder = inFolder('classes', data.classNames[data.test!.labels[n]!]!);
      mkdirSync(folder, { recursive: true });
      writeFileSync(`${folder}/${n}.png`, readFileSync(path));
    }
  }

  test('are scored as their images', async () => {
    await inClasses();
    const expected = await model.evaluate(data.test!, { confusion: true });
    const found = await model.evaluate(inFolder('classes'), { confusion: true });
    expect(found.loss).toBeCloseTo(expected.loss, 6);
    expect(found).toMatchObject({ accuracy: expected.accuracy, confusion: expected.confusion });
  });

  test('all are scored, also where they are more than are decoded at once', async () => {
    await inClasses();
    const label = data.test!.labels[0]!;
    const name = data.classNames[label]!;
    const { length } = readdirSync(inFolder('classes', name));
    for (let n = 0; n < 300; n++) symlinkSync('0.png', inFolder('classes', name, `again ${n}.png`));
    const { confusion } = await model.evaluate(inFolder('classes'), { confusion: true });
    expect(confusion!.reduce((sum, each) => sum + each, 0)).toBe(data.test!.labels.length + 300);
    const numClasses = data.classNames.length;
    const ofClass = confusion!.subarray(label * numClasses, (label + 1) * numClasses);
    expect(ofClass.reduce((sum, each) => sum + each, 0)).toBe(length + 300);
  });

  test('below train and test are to be given by themselves, as the refusal says', async () => {
    await inClasses();
    mkdirSync(inFolder('divided'));
    renameSync(inFolder('classes'), inFolder('divided', 'test'));
    const { message } = await refusal(() => model.evaluate(inFolder('divided')));
    expect(message).toContain(`For what is in it give ${inFolder('divided', 'test')}`);
    const { accuracy } = await model.evaluate(inFolder('divided', 'test'));
    expect(accuracy).toBe((await model.evaluate(data.test!)).accuracy);
  });

  test('of no class of the model, or none at all, are refused', async () => {
    await inClasses();
    mkdirSync(inFolder('classes', 'Sanadl'));
    writeFileSync(inFolder('classes', 'Sanadl', 'x.png'), '');
    const { code, message } = await refusal(() => model.evaluate(inFolder('classes')));
    expect([code, message]).toEqual([
      'INVALID_DATA',
      expect.stringMatching(/'Sanadl'. Did you mean 'Sandal'/),
    ]);
    expect(await refusal(() => model.evaluate(inFolder('more')))).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(await refusal(() => model.evaluate(inFolder('none')))).toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

describe('verify', () => {
  const cosine = (a: Float32Array, b: Float32Array) => {
    const dot = (x: Float32Array, y: Float32Array) =>
      x.reduce((sum, value, axis) => sum + value * y[axis]!, 0);
    return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  };

  test('pairs of pictures, by the cosines of their embeddings', async () => {
    const paths = await files();
    const { data: rows, shape } = await model.embed(data.test!.images, { normalize: false });
    const row = (n: number) => rows.subarray(n * shape[1], (n + 1) * shape[1]);
    const { cosines, same } = await model.verify(paths.slice(0, 3), paths.slice(3, 6), { threshold: 0.5 });
    for (let n = 0; n < 3; n++) expect(cosines[n]).toBeCloseTo(cosine(row(n), row(n + 3)), 5);
    expect(same).toEqual(Array.from(cosines, (value) => value >= 0.5));
    // Of the same call: in a batch of another size the last digits may be others.
    const { cosines: alone } = await model.verify(paths[0]!, paths[3]!);
    const exactly = await model.verify(paths[0]!, paths[3]!, { threshold: Math.min(1, alone[0]!) });
    expect(exactly.same).toEqual([true]);
    const against = await model.verify(paths[0]!, paths);
    expect(against.same).toBeUndefined();
    for (let n = 0; n < 12; n++) expect(against.cosines[n]).toBeCloseTo(cosine(row(0), row(n)), 5);
  });

  test('other than as many on both sides are refused', async () => {
    const paths = await files();
    const call = () => model.verify(paths.slice(0, 2), paths.slice(0, 3));
    expect(await refusal(call)).toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringContaining('2 and 3'),
    });
    const wrong = () => model.verify(paths[0]!, paths[1]!, { threshold: 40 });
    expect(await refusal(wrong)).toMatchObject({ code: 'INVALID_OPTION' });
  });
});

test.each([
  ['an empty list', [], 'INVALID_OPTION'],
  ['a number in a list', [3], 'INVALID_OPTION'],
  ['null', null, 'INVALID_OPTION'],
  ['no path', '', 'FILE_NOT_FOUND'],
  ['a path of nothing', '/none/such.png', 'FILE_NOT_FOUND'],
  ['bytes of no picture', Buffer.from('no picture'), 'FILE_CORRUPT'],
])('%s is refused', async (_, images, code) => {
  expect(await refusal(() => model.predict(images as never))).toMatchObject({ code });
  expect(await refusal(() => model.embed(images as never))).toMatchObject({ code });
});

test('an abort ends it', async () => {
  const paths = await files();
  const controller = new AbortController();
  const run = model.predict(Array(2000).fill(paths[0]), { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(run).rejects.toThrow('enough');
});
