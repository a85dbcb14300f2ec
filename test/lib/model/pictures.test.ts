/** The model's methods on pictures: as files, folders, bytes, lists, and one after another. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
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
  data = await sample(200, 12);
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
