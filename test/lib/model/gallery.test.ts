/** Galleries: names by embeddings, in memory and in files, against cosines that are computed here. */
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { type Embeddings, Gallery, Model } from '../../../lib/index.js';
import { writeGallery } from '../../../lib/model/galleryFile.js';
import { expectSameSpace, probeOf } from '../../../lib/model/probe.js';
import { randomImages, randomModel, randomNumbers } from '../../support/randomModel.js';
import { refusal } from '../../support/refusal.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();
const SIZE = 24;

function embeddings(count: number, seed: number, size = SIZE): Embeddings {
  return { data: randomNumbers(count * size, seed), shape: [count, size] };
}

const row = ({ data, shape: [, size] }: Embeddings, index: number) =>
  data.subarray(index * size, (index + 1) * size);

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, axis) => sum + value * y[axis]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** The best cosine of each name, in fp64, the best first. */
function ranking(query: Float32Array, known: Embeddings, names: readonly string[]) {
  const best = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    best.set(name, Math.max(best.get(name) ?? -2, cosine(query, row(known, index))));
  }
  return [...best].sort(([, a], [, b]) => b - a).map(([name, value]) => ({ name, cosine: value }));
}

function expectClose(found: readonly { name: string; cosine: number }[], expected: typeof found) {
  expect(found.map(({ name }) => name)).toEqual(expected.map(({ name }) => name));
  for (const [index, match] of found.entries()) expect(match.cosine).toBeCloseTo(expected[index]!.cosine, 5);
}

const NAMES = Array.from({ length: 700 }, (_, index) => `name ${index % 30}`);

describe('of embeddings', () => {
  const known = embeddings(700, 1);
  const asked = embeddings(5, 2);
  let gallery: Gallery;

  beforeEach(async () => {
    gallery = new Gallery({ embeddingSize: SIZE, device: 'cpu' });
    expect(await gallery.enrol(NAMES, known)).toBe(700);
  });
  afterEach(() => gallery.dispose());

  test('the names of the nearest embeddings, each once', async () => {
    expect(gallery.names).toEqual(NAMES.slice(0, 30));
    expect([gallery.count(), gallery.count('name 3'), gallery.count('nobody')]).toEqual([700, 24, 0]);
    for (const top of [1, 4, 30, 1000]) {
      const found = await gallery.identify(asked, { top });
      expect(found).toHaveLength(5);
      for (const [query, { matches }] of found.entries()) {
        expectClose(matches, ranking(row(asked, query), known, NAMES).slice(0, top));
      }
    }
  });

  test('a threshold leaves out what is below, and all of it where nobody is near', async () => {
    const all = ranking(row(asked, 0), known, NAMES);
    const threshold = (all[2]!.cosine + all[3]!.cosine) / 2;
    const [found] = await gallery.identify(asked, { top: 9, threshold });
    expectClose(found!.matches, all.slice(0, 3));
    gallery.threshold = threshold;
    expect(await gallery.identify(asked, { top: 9 })).toEqual(
      await gallery.identify(asked, { top: 9, threshold }),
    );
    gallery.threshold = 1;
    expect((await gallery.identify(asked)).map(({ matches }) => matches)).toEqual([[], [], [], [], []]);
  });

  test('a name with nearly all embeddings hides no other', async () => {
    const one = row(asked, 0);
    const copies = Float32Array.from({ length: 500 * SIZE }, (_, i) => one[i % SIZE]! + 0.01 * Math.sin(i));
    await gallery.enrol('crowd', { data: copies, shape: [500, SIZE] });
    const [found] = await gallery.identify({ data: one, shape: [1, SIZE] }, { top: 3 });
    expect(found!.matches[0]!.name).toBe('crowd');
    expectClose(found!.matches.slice(1), ranking(one, known, NAMES).slice(0, 2));
  });

  test('who is removed is found no more, and all others as before', async () => {
    expect(await gallery.remove('name 7')).toBe(24);
    expect(await gallery.remove('name 29')).toBe(23);
    expect(await gallery.remove('name 7')).toBe(0);
    const left = NAMES.flatMap((name, index) => (name === 'name 7' || name === 'name 29' ? [] : [index]));
    const rest = Float32Array.from(left.flatMap((index) => [...row(known, index)]));
    expect(gallery.count()).toBe(653);
    expect(gallery.names).not.toContain('name 7');
    const [found] = await gallery.identify(asked, { top: 40 });
    const names = left.map((index) => NAMES[index]!);
    expectClose(found!.matches, ranking(row(asked, 0), { data: rest, shape: [653, SIZE] }, names));
  });

  test('calls take effect in their order', async () => {
    const [, removed, , found] = await Promise.all([
      gallery.enrol('new', asked),
      gallery.remove('name 0'),
      gallery.remove('new'),
      gallery.identify(asked, { top: 2 }),
    ]);
    expect(removed).toBe(24);
    expect(found![0]!.matches.map(({ name }) => name)).not.toContain('new');
    expect(gallery.count()).toBe(676);
  });

  test('saved and loaded it answers the same', async () => {
    gallery.threshold = 0.125;
    await gallery.remove('name 4');
    await gallery.remove('name 0'); // the last rows come first now
    await gallery.save(inFolder('gallery'));
    using loaded = await Gallery.load(inFolder('gallery'), { device: 'cpu' });
    expect(loaded.names).toEqual(gallery.names);
    expect(loaded.threshold).toBe(0.125);
    const options = { top: 40, threshold: -1 };
    const expected = await gallery.identify(asked, options);
    for (const [index, { matches }] of (await loaded.identify(asked, options)).entries()) {
      expectClose(matches, expected[index]!.matches);
    }
  });

  test('an empty one knows nobody, and comes back from its file', async () => {
    using empty = new Gallery({ embeddingSize: 3, threshold: 0.5, device: 'cpu' });
    await empty.save(inFolder('empty'));
    using loaded = await Gallery.load(inFolder('empty'), { device: 'cpu' });
    expect(loaded.names).toEqual([]);
    expect(await loaded.identify(embeddings(2, 1, 3))).toEqual([{ matches: [] }, { matches: [] }]);
  });

  test('what is refused leaves it as it was', async () => {
    const spoiled = embeddings(3, 4);
    spoiled.data.fill(0, SIZE, 2 * SIZE);
    const nan = embeddings(3, 4);
    nan.data[5] = Number.NaN;
    const refusals = [
      [() => gallery.enrol('zero', spoiled), 'INVALID_DATA', 'row 1'],
      [() => gallery.enrol('nan', nan), 'INVALID_DATA', 'row 0'],
      [() => gallery.identify(nan), 'INVALID_DATA', 'row 0'],
      [() => gallery.enrol('other', embeddings(2, 1, 23)), 'SHAPE_MISMATCH', '24'],
      [() => gallery.enrol('', asked), 'INVALID_OPTION', 'name'],
      [() => gallery.enrol(['a', 'b'], asked), 'INVALID_OPTION', '5, one for each'],
      [() => gallery.enrol('picture', 'face.png'), 'UNSUPPORTED', 'model'],
      [() => gallery.identify(asked, { top: 0 }), 'INVALID_OPTION', 'top'],
      [() => gallery.identify(asked, { threshold: 2 }), 'INVALID_OPTION', 'threshold'],
      [() => gallery.identify(asked, { treshold: 0.5 } as never), 'INVALID_OPTION', 'threshold'],
      [() => gallery.identify({ data: asked.data, shape: [4, SIZE] }), 'SHAPE_MISMATCH', '96'],
      [
        () => gallery.enrol('text', { data: asked.data, shape: ['5', SIZE] } as never),
        'INVALID_OPTION',
        'shape[0]',
      ],
      [
        () => gallery.enrol('half', { data: asked.data.subarray(12), shape: [4.5, SIZE] }),
        'INVALID_OPTION',
        'shape[0]',
      ],
      [() => new Gallery({}), 'INVALID_OPTION', 'model'],
      [() => new Gallery({ embeddingSize: 0 }), 'INVALID_OPTION', 'embeddingSize'],
      [() => new Gallery({ model: {} as never }), 'INVALID_OPTION', 'Model'],
    ] as const;
    for (const [call, code, named] of refusals) {
      const { code: found, message } = await refusal(call);
      expect([found, message]).toEqual([code, expect.stringContaining(named)]);
    }
    expect(gallery.count()).toBe(700);
    expectClose(
      (await gallery.identify(asked))[0]!.matches,
      ranking(row(asked, 0), known, NAMES).slice(0, 1),
    );
  });

  test('many queries, each with many rows, come in pieces', async () => {
    const many = embeddings(9000, 5); // more than one call finds, of 4·31 rows each
    await gallery.enrol('crowd', { data: asked.data, shape: asked.shape });
    const names = [...NAMES, ...Array<string>(5).fill('crowd')];
    const all = {
      data: Float32Array.of(...known.data, ...asked.data),
      shape: [705, SIZE],
    } satisfies Embeddings;
    const found = await gallery.identify(many, { top: 31 });
    expect(found).toHaveLength(9000);
    for (const query of [0, 8455, 8456, 8457, 8999]) {
      expectClose(found[query]!.matches, ranking(row(many, query), all, names));
    }
    many.data.fill(0, 8800 * SIZE, 8801 * SIZE);
    expect(await refusal(() => gallery.identify(many, { top: 31 }))).toMatchObject({
      message: expect.stringContaining('row 8800'),
    });
  });

  test('of more embeddings than are handed over at once all are added, or none', async () => {
    const many = embeddings(100_000, 6);
    const before = await gallery.identify(asked, { top: 5 });
    const reason = new Error('enough');
    let looks = 0;
    const signal = {
      ...{ aborted: false, addEventListener() {}, removeEventListener() {} },
      throwIfAborted() {
        if (++looks === 2) throw reason;
      },
    };
    await expect(gallery.enrol('late', many, { signal: signal as never })).rejects.toBe(reason);
    many.data.fill(0, 90_000 * SIZE, 90_001 * SIZE);
    expect(await refusal(() => gallery.enrol('zero', many))).toMatchObject({
      message: expect.stringContaining('row 90000'),
    });
    expect(gallery.count()).toBe(700);
    expect(await gallery.identify(asked, { top: 5 })).toEqual(before);
    await gallery.enrol('asked', asked);
    for (const { matches } of await gallery.identify(asked)) expect(matches[0]!.name).toBe('asked');
  });

  test('a cosine that is the threshold comes up to it', async () => {
    const [found] = await gallery.identify(asked);
    const [again] = await gallery.identify(asked, { threshold: found!.matches[0]!.cosine });
    expect(again).toEqual(found);
  });

  test('an abort does not wait for the calls before, and those after do', async () => {
    const reason = new Error('enough');
    const abort = new AbortController();
    const ended: string[] = [];
    const end = (name: string) => () => ended.push(name);
    const before = gallery.identify(embeddings(20000, 7), { top: 1 }).then(end('before'));
    const aborted = gallery.enrol('late', asked, { signal: abort.signal });
    const after = gallery.enrol('after', asked).then(end('after'));
    abort.abort(reason);
    await expect(aborted.finally(end('aborted'))).rejects.toBe(reason);
    await Promise.all([before, after]);
    expect(ended).toEqual(['aborted', 'before', 'after']);
    expect([gallery.count('late'), gallery.count('after')]).toEqual([0, 5]);
  });

  test('an abort ends a call; what is disposed answers no more', async () => {
    const reason = new Error('enough');
    await expect(gallery.enrol('late', asked, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(gallery.count('late')).toBe(0);
    gallery.dispose();
    gallery.dispose();
    expect(await refusal(() => gallery.identify(asked))).toMatchObject({ code: 'DISPOSED' });
    expect(await refusal(() => gallery.enrol('x', asked))).toMatchObject({ code: 'DISPOSED' });
  });
});

describe('of a model', () => {
  let model: Model;
  beforeEach(async () => {
    model = await randomModel(tinyModel, [28, 28, 1], { head: 'arcface' });
  });
  afterEach(() => model.dispose());

  async function picture(name: string, seed: number): Promise<string> {
    const { data } = randomImages(1, [28, 28, 1], seed);
    await sharp(data, { raw: { width: 28, height: 28, channels: 1 } })
      .png()
      .toFile(inFolder(name));
    return inFolder(name);
  }

  test('pictures by name', async () => {
    const [ada, bob, asked] = [
      await picture('ada.png', 1),
      await picture('bob.png', 2),
      await picture('x.png', 1),
    ];
    using gallery = new Gallery({ model, device: 'cpu' });
    await gallery.enrol('Ada', ada);
    await gallery.enrol('Bob', [bob]);
    const [found] = await gallery.identify(asked, { top: 2 });
    expect(found!.file).toBe(asked);
    expect(found!.matches.map(({ name }) => name)).toEqual(['Ada', 'Bob']);
    expect(found!.matches[0]!.cosine).toBeCloseTo(1, 5);
    const { cosines } = await model.verify(asked, bob);
    expect(found!.matches[1]!.cosine).toBeCloseTo(cosines[0]!, 5);
  });

  test('a file goes with its model, also one in bf16, and with no other', async () => {
    using gallery = new Gallery({ model, device: 'cpu' });
    await gallery.enrol('Ada', randomImages(2, [28, 28, 1]));
    await gallery.save(inFolder('gallery'));
    await model.save(inFolder('model'), { dtype: 'bf16' });
    using halved = await Model.load(inFolder('model'), { device: 'cpu' });
    using loaded = await Gallery.load(inFolder('gallery'), { model: halved, device: 'cpu' });
    expect((await loaded.identify(randomImages(1, [28, 28, 1])))[0]!.matches[0]!.cosine).toBeGreaterThan(
      0.99,
    );
    await loaded.save(inFolder('again'));
    using withoutModel = await Gallery.load(inFolder('gallery'), { device: 'cpu' });
    await withoutModel.save(inFolder('without model'));
    const wider = {
      ...tinyModel,
      layers: [...tinyModel.layers.slice(0, -1), { type: 'linear', outFeatures: 8 }],
    };
    using other = await randomModel({ ...tinyModel, init: 'heNormal' }, [28, 28, 1], { head: 'arcface' });
    using otherSize = await randomModel(wider as typeof tinyModel, [28, 28, 1], { head: 'arcface' });
    for (const stranger of [other, otherSize]) {
      for (const file of ['gallery', 'again', 'without model']) {
        const call = () => Gallery.load(inFolder(file), { model: stranger, device: 'cpu' });
        expect(await refusal(call)).toMatchObject({ code: 'GALLERY_MISMATCH' });
      }
    }
    expect(await refusal(() => new Gallery({ model, embeddingSize: 9 }))).toMatchObject({
      code: 'SHAPE_MISMATCH',
    });
  });

  test.each([
    [0.1, true],
    [0.4, false],
  ])('a model whose embeddings lie %d rad from the file’s: the same is %s', async (angle, isSame) => {
    const probe = await probeOf(model);
    for (let at = 0; at < probe.length; at += 2) {
      const [a, b] = [probe[at]!, probe[at + 1]!];
      probe[at] = a * Math.cos(angle) - b * Math.sin(angle);
      probe[at + 1] = a * Math.sin(angle) + b * Math.cos(angle);
    }
    const found = expectSameSpace('file', { size: model.embeddingSize, probe }, model);
    if (isSame) await found;
    else
      await expect(found).rejects.toMatchObject({
        code: 'GALLERY_MISMATCH',
        details: { cosine: expect.closeTo(0.921, 3) },
      });
  });

  test('a file that is open is opened by nobody else, and read by whoever likes', async () => {
    const place = { model, device: 'cpu' } as const;
    const file = inFolder('gallery');
    {
      using gallery = await Gallery.open(file, place);
      await gallery.enrol('Ada', randomImages(1, [28, 28, 1]));
      await gallery.save(file);
      symlinkSync('gallery', inFolder('link'));
      for (const path of [file, inFolder('link')]) {
        const { code, message } = await refusal(() => Gallery.open(path, place));
        expect([code, message]).toEqual(['FILE_IN_USE', expect.stringContaining(`process ${process.pid}`)]);
      }
      using read = await Gallery.load(file, place);
      expect(read.names).toEqual(['Ada']);
    }
    using again = await Gallery.open(file, { device: 'cpu' });
    expect(again.names).toEqual(['Ada']);
    expect(await refusal(() => Gallery.open(inFolder('none'), { device: 'cpu' }))).toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    expect(existsSync(inFolder('.none.lock'))).toBe(false);
    writeFileSync(inFolder('spoiled'), 'no gallery');
    for (let time = 0; time < 2; time++) {
      expect(await refusal(() => Gallery.open(inFolder('spoiled'), place))).toMatchObject({
        code: 'FILE_CORRUPT',
      });
    }
  });

  test('files that are no galleries', async () => {
    await model.save(inFolder('model'));
    expect(await refusal(() => Gallery.load(inFolder('model')))).toMatchObject({ code: 'FILE_CORRUPT' });
    expect(await refusal(() => Gallery.load(inFolder('none')))).toMatchObject({ code: 'FILE_NOT_FOUND' });
    using gallery = new Gallery({ embeddingSize: 4, device: 'cpu' });
    await gallery.enrol(['a', 'b'], embeddings(2, 1, 4));
    await gallery.save(inFolder('gallery'));
    expect(await refusal(() => Model.load(inFolder('gallery')))).toMatchObject({ code: 'FILE_CORRUPT' });
    const whole = readFileSync(inFolder('gallery'));
    const spoil = async (change: (text: string) => string) => {
      writeFileSync(inFolder('spoiled'), Buffer.from(change(whole.toString('latin1')), 'latin1'));
      return refusal(() => Gallery.load(inFolder('spoiled'), { device: 'cpu' }));
    };
    const zero = { names: ['a'], nameOfRow: ['a'], threshold: 0, size: 2, probe: undefined };
    await writeGallery(inFolder('zero'), { ...zero, embeddings: async () => new Float32Array(2) });
    expect(await refusal(() => Gallery.load(inFolder('zero'), { device: 'cpu' }))).toMatchObject({
      code: 'FILE_CORRUPT',
    });
    // The checksum would be wrong as well: what is said comes before.
    for (const [from, to, said] of [
      ['[0,1]', '[0,7]', 'embedding 1 has no name'],
      ['[0,1]', '[0,0]', 'a name in it has no embedding'],
      ['rows\\":[0,1]', 'rows\\":[011]', 'not JSON'],
      ['rows\\":[0,1]', 'rows\\":[   ]', 'the names of 0 embeddings, and has 2'],
      ['\\"a\\",\\"b\\"', '\\"a\\",\\"a\\"', 'a name stands in it twice'],
      ['\\"threshold\\":-1', '\\"threshold\\":-7', 'threshold'],
      ['[2,4]', '[4,2]', 'the names of 2 embeddings, and has 4'],
      ['[2,4]', '[  8]', 'of the shape [N, D]'],
      ['"embeddings":', '"embedding5":', "no tensor 'embeddings'"],
    ] as const) {
      expect(whole.toString('latin1')).toContain(from);
      const { code, message } = await spoil((text) => text.replace(from, to));
      expect([code, message]).toEqual(['FILE_CORRUPT', expect.stringContaining(said)]);
    }
    const altered = await spoil((text) => `${text.slice(0, -1)}\u0000`);
    expect([altered.code, altered.message]).toEqual(['FILE_CORRUPT', expect.stringContaining('checksum')]);
    expect(await spoil((text) => text.slice(0, -4))).toMatchObject({ code: 'FILE_CORRUPT' });
  });
});
