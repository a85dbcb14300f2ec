/** A model that is saved and loaded is the same model; a file that is no model is refused by name. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { HEAD_NAMES } from '../../../lib/heads/resolve.js';
import {
  batchNorm,
  type Dataset,
  Model,
  models,
  sequential,
  type TrainOptions,
  train,
} from '../../../lib/index.js';
import { nodeProgram } from '../../support/nodeProgram.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();
let data: Dataset;

beforeAll(async () => {
  data = await sample(200, 60);
});

const trained = async (options: TrainOptions): Promise<Model> =>
  (
    await train({
      data,
      model: tinyModel,
      epochs: 2,
      batchSize: 32,
      device: 'cpu',
      progress: false,
      ...options,
    })
  ).model;

/** All that a model answers. */
async function answers(model: Model) {
  const { images } = data.test!;
  return {
    predicted: await model.predict(images),
    embedded: await model.embed(images),
    evaluated: await model.evaluate(data.test!, { confusion: true }),
    centres: await model.classCentres().catch(({ code }) => code),
    summary: String(model.summary()),
    ...{
      classNames: model.classNames,
      head: model.head,
      input: model.input,
      normalization: model.normalization,
    },
  };
}

const withBatchNorm = sequential(
  [...tinyModel.layers.slice(0, 1), batchNorm(), ...tinyModel.layers.slice(1)],
  {
    name: 'with batch norm',
    init: 'heNormal',
  } as never,
);

test.each<[string, TrainOptions]>([
  ...HEAD_NAMES.map((head): [string, TrainOptions] => [head, { head } as TrainOptions]),
  ['batch norm', { model: withBatchNorm }],
  ['a learned scale', { head: 'normface', s: { learn: true, init: 12 } }],
  [
    'options of every kind',
    {
      head: 'arcface',
      s: 'auto',
      auxiliary: 'center',
      labelSmoothing: 0.1,
      classWeights: [1, 2, 1, 1, 1, 1, 1, 1, 1, 1],
    },
  ],
])('%s: saved and loaded, it answers bit by bit the same', async (_, options) => {
  using model = await trained(options);
  const path = inFolder('model.safetensors');
  await model.save(path);
  using loaded = await Model.load(path, { device: 'cpu' });
  expect(await answers(loaded)).toEqual(await answers(model));
});

test('a model of another process', async () => {
  using model = await trained({ head: 'arcface' });
  const path = inFolder('model.safetensors');
  await model.save(path);
  const { stdout } = await nodeProgram(`
    const { Model, datasets } = require('./dist/lib/index.js');
    (async () => {
      const model = await Model.load(${JSON.stringify(path)}, { device: 'cpu' });
      const { test } = await datasets.fashionMnistSample();
      const images = { data: test.images.data.slice(0, 60 * 784), shape: [60, 28, 28, 1] };
      console.log(JSON.stringify([...(await model.predict(images)).probabilities]));
      model.dispose();
    })();
  `);
  expect(JSON.parse(stdout)).toEqual([...(await model.predict(data.test!.images)).probabilities]);
});

test('bf16 halves the file, and changes probabilities by little', async () => {
  using model = await trained({ model: models.lenetPlusPlus({ embeddingSize: 32 }), head: 'arcface' });
  await model.save(inFolder('fp32'));
  await model.save(inFolder('bf16'), { dtype: 'bf16' });
  expect(readFileSync(inFolder('bf16')).length / readFileSync(inFolder('fp32')).length).toBeCloseTo(0.5, 1);
  using loaded = await Model.load(inFolder('bf16'), { device: 'cpu' });
  const exact = await model.predict(data.test!.images);
  const { probabilities } = await loaded.predict(data.test!.images);
  probabilities.forEach((value, i) => {
    expect(Math.abs(value - exact.probabilities[i]!)).toBeLessThan(0.05);
  });
});

test('the model that onEpoch is lent can be saved', async () => {
  const path = inFolder('epoch');
  const model = await trained({
    epochs: 1,
    onEpoch: (_, { model }) => model.save(path),
  });
  using last = model;
  using loaded = await Model.load(path, { device: 'cpu' });
  expect(await answers(loaded)).toEqual(await answers(last));
});

test('a disposed model is not saved', async () => {
  const model = await trained({ epochs: 1 });
  model.dispose();
  expect(await refusal(() => model.save(inFolder('x')))).toMatchObject({ code: 'DISPOSED' });
});

describe('what is refused', () => {
  let path: string;
  beforeEach(async () => {
    using model = await trained({ head: 'arcface', epochs: 1 });
    path = inFolder('model.safetensors');
    await model.save(path);
  });

  // biome-ignore lint/suspicious/noExplicitAny: JSON of any form, to be spoiled
  type Json = Record<string, any>;

  /** Writes the file anew, without a checksum, with another header: as somebody might who means harm. */
  function rewritten(change: (header: Json, description: Json) => void, tail?: (data: Buffer) => void): void {
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
    const { sha256: _, ...metadata } = header.__metadata__;
    const before = metadata.model;
    const description = JSON.parse(before);
    header.__metadata__ = metadata;
    change(header, description);
    if (header.__metadata__?.model === before)
      header.__metadata__ = { ...metadata, ...header.__metadata__, model: JSON.stringify(description) };
    const text = Buffer.from(JSON.stringify(header));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    const values = bytes.subarray(8 + length);
    tail?.(values);
    writeFileSync(path, Buffer.concat([size, text, values]));
  }

  test('written anew without a change it is loaded', async () => {
    rewritten(() => {});
    (await Model.load(path, { device: 'cpu' })).dispose();
  });

  test.each<[string, Parameters<typeof rewritten>[0], RegExp, string?]>([
    [
      'no metadata',
      (header) => delete header.__metadata__,
      /no model of margincore: its metadata has no entries/,
    ],
    [
      'metadata of others',
      (header) => (header.__metadata__ = { format: 'pt' }),
      /its metadata has only format/,
    ],
    [
      'a newer version',
      (header) => (header.__metadata__.margincore = '2'),
      /version 2 of the format, this package reads up to 1/,
      'NEWER_VERSION',
    ],
    [
      'a version that is no number',
      (header) => (header.__metadata__.margincore = 'one'),
      /its version is "one"/,
    ],
    [
      'a description that is no JSON',
      (header) => (header.__metadata__.model = '{'),
      /'model' of its metadata is not JSON/,
    ],
    ['an unknown part', (_, model) => (model.code = 'process.exit()'), /model\.code/],
    ['no network', (_, model) => delete model.network, /model\.network/],
    ['an unknown layer', (_, model) => (model.network.layers[0].type = 'eval'), /eval/],
    [
      'an unknown option of a layer',
      (_, model) => (model.network.layers[0].constructor2 = 1),
      /constructor2/,
    ],
    [
      'a layer of 2⁵⁰ channels',
      (_, model) => (model.network.layers[0].outChannels = 2 ** 50),
      /outChannels|conv/,
    ],
    [
      'a layer of a billion channels',
      (_, model) => (model.network.layers[0].outChannels = 1e9),
      /conv|outChannels/,
    ],
    [
      'another network than its tensors',
      (_, model) => (model.network.layers[0].outChannels = 5),
      /has shape \[4, 5, 5, 1\], its own network expects \[5, 5, 5, 1\]/,
    ],
    ['images of another size', (_, model) => (model.input = [28, 28]), /three whole numbers/],
    ['images as large as the Moon', (_, model) => (model.input = [2 ** 40, 2 ** 40, 1]), /cannot be used/],
    [
      'more classes than its tensors',
      (_, model) => (model.classes = 4_000_000),
      /'head\.weight' has 10 rows, its own head expects 4000000/,
    ],
    ['names of the wrong kind', (_, model) => (model.classes = [1, 2]), /an array of strings/],
    [
      'a prototype for a layer',
      (_, model) => {
        const hidden = JSON.parse('{"type":"relu","__proto__":{"name":"hidden"}}');
        model.network.layers.push(hidden);
      },
      /without a key '__proto__'/,
    ],
    ['an unknown head', (_, model) => (model.head.head = 'magface'), /magface/],
    ['an option of another head', (_, model) => (model.head.alpha = 3), /alpha/],
    [
      'two channels of normalisation',
      (_, model) => (model.normalization.mean = [0, 0]),
      /expected 1 numbers, one per channel/,
    ],
    ['a std of 0', (_, model) => (model.normalization.std = [0]), /std/],
    [
      'a description 100,000 deep',
      (header) =>
        (header.__metadata__.model = `{"network":{"name":"x","layers":[${'{"type":"residual","branch":['.repeat(1e4)}${']}'.repeat(1e4)}]}}`),
      /cannot be used/,
    ],
    [
      'no weights of the head',
      (header) => {
        header.other = header['head.weight'];
        delete header['head.weight'];
      },
      /lacks the tensor 'head\.weight'/,
    ],
    [
      'a tensor too many',
      (header) => {
        header.extra = { dtype: 'F32', shape: [0], data_offsets: [0, 0] };
      },
      /has no tensor 'extra'/,
    ],
    [
      'weights that are whole numbers',
      (header) => (header['head.weight'].dtype = 'I32'),
      /is I32; expected F32/,
    ],
  ])('%s', async (_, change, message, code = 'FILE_CORRUPT') => {
    rewritten(change);
    const error = await refusal(() => Model.load(path, { device: 'cpu' }));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message), details: { path } });
  });

  test('NaN among its weights', async () => {
    rewritten(
      () => {},
      (values) => values.writeFloatLE(Number.NaN, values.length - 8),
    );
    const error = await refusal(() => Model.load(path, { device: 'cpu' }));
    expect(error).toMatchObject({
      code: 'FILE_CORRUPT',
      message: expect.stringMatching(/value \d+ of tensor '.*' is NaN/),
    });
  });

  test('more than there is memory for: a file may be a size and nothing else', async () => {
    const wide = 2 ** 29;
    let end = 0;
    rewritten((header, description) => {
      const embedding = description.network.layers.find(({ name }: Json) => name === 'embedding');
      const narrow = embedding.outFeatures;
      embedding.outFeatures = wide;
      for (const [name, tensor] of Object.entries(header)) {
        if (name === '__metadata__') continue;
        tensor.shape = tensor.shape.map((size: number) => (size === narrow ? wide : size));
        const begin = end;
        end += tensor.shape.reduce((product: number, size: number) => product * size, 4);
        tensor.data_offsets = [begin, end];
      }
    });
    const header = readFileSync(path).subarray(0, 8);
    truncateSync(path, 8 + Number(header.readBigUInt64LE()) + end);
    expect(end).toBeGreaterThan(2 ** 38);
    const error = await refusal(() => Model.load(path, { device: 'cpu' }));
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', message: expect.stringContaining('parameters') });
    expect(error.details.needed).toBeGreaterThanOrEqual(end);
  });

  test('a bit that differs', async () => {
    const bytes = readFileSync(path);
    bytes[bytes.length - 9]! ^= 1;
    writeFileSync(path, bytes);
    expect(await refusal(() => Model.load(path))).toMatchObject({
      code: 'FILE_CORRUPT',
      message: expect.stringContaining('checksum'),
    });
  });

  test('options and paths', async () => {
    expect(await refusal(() => Model.load('', {}))).toMatchObject({ code: 'INVALID_OPTION' });
    expect(await refusal(() => Model.load(path, { device: 'tpu' as never }))).toMatchObject({
      code: 'INVALID_OPTION',
    });
    expect(await refusal(() => Model.load(path, { dtype: 'bf16' } as never))).toMatchObject({
      code: 'INVALID_OPTION',
    });
    expect(await refusal(() => Model.load(inFolder('none')))).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(await refusal(() => Model.load(inFolder()))).toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringContaining('is a folder, a file was expected'),
    });
    using model = await Model.load(path, { device: 'cpu' });
    expect(await refusal(() => model.save(inFolder('none', 'x')))).toMatchObject({
      code: 'FILE_NOT_WRITTEN',
    });
    expect(await refusal(() => model.save(3 as never))).toMatchObject({ code: 'INVALID_OPTION' });
    expect(await refusal(() => model.save(inFolder('x'), { dtype: 'fp16' as never }))).toMatchObject({
      code: 'INVALID_OPTION',
    });
  });
});
