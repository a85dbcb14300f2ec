/** A gallery of which each of several processes has a part, beside the whole one. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { conv2d, Gallery, type Identification, linear, relu, sequential } from '../../../lib/index.js';
import { randomImages, randomModel, randomNumbers } from '../../support/randomModel.js';
import { LAUNCHERS, launchers, ranksIn, start } from '../../support/ranks.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const { script, run, runWell, results } = ranksIn(inFolder);

const [SIZE, COUNT] = [24, 50];
const unit = (count: number, seed: number) => ({
  data: randomNumbers(count * SIZE, seed),
  shape: [count, SIZE] as [number, number],
});

/** A file with as many embeddings, of seven names, and what one process finds in it of nine others. */
async function saved(count = COUNT) {
  const path = inFolder('some.gallery');
  using gallery = new Gallery({ embeddingSize: SIZE, threshold: 0.1, device: 'cpu' });
  await gallery.enrol(
    Array.from({ length: count }, (_, row) => `name ${row % 7}`),
    unit(count, 1),
  );
  await gallery.save(path);
  const asked = unit(9, 2);
  return { path, asked, found: await gallery.identify(asked, { top: 3 }) };
}

/** Of each rank, as JSON: what it finds, and of what. `images` is JavaScript. */
const searching = (path: string, images: string, more = '{ top: 3 }', model = '') =>
  script(`
  const { DistributedGallery, Model } = await import(${JSON.stringify(join(packageRoot(), 'dist/lib/index.mjs'))});
  ${model && `var known = await Model.load(${JSON.stringify(model)}, { device: 'cpu', threads: 1 });`}
  const gallery = await DistributedGallery.load(${JSON.stringify(path)}, { device: 'cpu', ${model && 'model: known'} });
  const found = await gallery.identify(${images}, ${more});
  const again = await gallery.identify(${images}, ${more});
  writeFileSync(\`\${folder}/\${rank}.json\`, JSON.stringify({ found, again, own: gallery.ownCount, names: gallery.names,
    counts: [gallery.count(), gallery.count('name 0'), gallery.count('nobody')] }));
  gallery.dispose();
`);

const asLiteral = ({ data, shape }: { data: Float32Array; shape: readonly number[] }) =>
  `{ data: Float32Array.from(${JSON.stringify([...data])}), shape: ${JSON.stringify(shape)} }`;

function expectSameMatches(found: Identification[], expected: readonly Identification[]) {
  expect(found.map(({ file }) => file)).toEqual(expected.map(({ file }) => file));
  for (const [query, { matches }] of found.entries()) {
    expect(matches.map(({ name }) => name)).toEqual(expected[query]!.matches.map(({ name }) => name));
    for (const [place, { cosine }] of matches.entries())
      expect(cosine).toBeCloseTo(expected[query]!.matches[place]!.cosine, 5);
  }
}

describe.each(launchers)('%s', (launcher) => {
  test('all find what one process finds, each with a part of the embeddings', async () => {
    const { path, asked, found } = await saved();
    expect(found.some(({ matches }) => matches.length > 1)).toBe(true);
    for (const ranks of [2, 3]) {
      await runWell(launcher, ranks, searching(path, asLiteral(asked)));
      const all = results(ranks);
      for (const each of all) {
        expectSameMatches(each.found, found);
        expect(each.again).toEqual(each.found);
        expect(each.found).toEqual(all[0].found);
        expect(each.names).toEqual(Array.from({ length: 7 }, (_, index) => `name ${index}`));
        expect(each.counts).toEqual([COUNT, 8, 0]);
        expect(Math.abs(each.own - COUNT / ranks)).toBeLessThan(1);
      }
      expect(all.reduce((sum, { own }) => sum + own, 0)).toBe(COUNT);
    }
  });

  test('one that has no embeddings, and none of the images, finds what all find', async () => {
    const { path, asked, found } = await saved(2);
    await runWell(launcher, 3, searching(path, asLiteral(asked)));
    for (const each of results(3)) expectSameMatches(each.found, found);
    expect(results(3).map(({ own }) => own)).toEqual([0, 1, 1]);
  });

  test('pictures and arrays, of which each embeds a part; and the command line, which writes once', async () => {
    const model = await randomModel(
      sequential([conv2d({ outChannels: 4, kernelSize: 3 }), relu(), linear({ outFeatures: 8 })]),
      [9, 8, 1],
      { head: 'arcface' },
    );
    const [pictures, path, file] = [
      inFolder('pictures'),
      inFolder('faces.gallery'),
      inFolder('m.safetensors'),
    ];
    mkdirSync(pictures);
    const [H, W, C] = model.input;
    const images = randomImages(5, model.input);
    const each = H * W * C;
    for (let index = 0; index < 5; index++)
      await sharp(images.data.subarray(index * each, (index + 1) * each), {
        raw: { width: W, height: H, channels: C as 1 },
      })
        .png()
        .toFile(join(pictures, `${index}.png`));
    await model.save(file);
    using gallery = new Gallery({ model, device: 'cpu' });
    await gallery.enrol(['a', 'b', 'a', 'c'], randomImages(4, model.input, 3));
    await gallery.save(path);

    const ofArray = await gallery.identify(images, { top: 2 });
    await runWell(
      launcher,
      2,
      searching(
        path,
        `{ data: Uint8Array.from(${JSON.stringify([...images.data])}), shape: [5, ${H}, ${W}, ${C}] }`,
        '{ top: 2 }',
        file,
      ),
    );
    for (const { found } of results(2)) expectSameMatches(found, ofArray);

    const ofFiles = await gallery.identify(pictures, { top: 2 });
    expect(ofFiles).toHaveLength(5);
    for (const [ranks, list] of [
      [3, [pictures]],
      [8, pictures],
    ] as const) {
      await runWell(launcher, ranks, searching(path, JSON.stringify(list), '{ top: 2 }', file));
      for (const { found } of results(ranks)) expectSameMatches(found, ofFiles);
    }

    // Of the first process no picture comes from a file.
    const [first, second, third] = [0, 1, 2].map((index) => JSON.stringify(join(pictures, `${index}.png`)));
    const mixed = `await import('node:fs').then(({ readFileSync: read }) => [read(${first}), read(${second}), ${third}])`;
    await runWell(launcher, 2, searching(path, mixed, '{ top: 2 }', file));
    for (const { found } of results(2))
      expect(found.map((each: Identification) => each.file)).toEqual([
        undefined,
        undefined,
        join(pictures, '2.png'),
      ]);

    const command = [process.execPath, join(packageRoot(), 'dist/lib/cli/main.js'), 'identify', file, path];
    const options = [pictures, '--device', 'cpu', '--top', '2'];
    const alone = await start([...command, ...options]).ended;
    const together = await start([
      ...LAUNCHERS[launcher],
      ...['-n', '2', ...command, ...options, '--distributed'],
    ]).ended;
    expect([alone.code, together.code]).toEqual([0, 0]);
    expect(together.output).toBe(alone.output);
    expect(alone.output.split('\n')).toHaveLength(6);
    model.dispose();
  });

  test('what cannot be divided, or differs, is refused by name', async () => {
    const { path, asked } = await saved();
    const said = async (file: string) => (await run(launcher, 2, file)).output;
    expect(await said(searching(path, asLiteral(asked), '{ top: 1 + rank }'))).toMatch(
      /RANKS_DIFFER[\s\S]*has another top than rank 0: 2, not 1|has another top than rank 0: 2, not 1/,
    );
    expect(await said(searching(path, asLiteral(asked).replace('[', '[rank + ')))).toMatch(
      /has another embeddings than rank 0/,
    );
    expect(await said(searching(path, `(async function* () { yield 'a.png'; })()`))).toMatch(
      /to take images it needs its option `model`/,
    );
    expect(await said(searching(inFolder('none.gallery'), asLiteral(asked)))).toMatch(/FILE_NOT_FOUND/);
  });
});

test('a process that was started alone is told how it is done', async () => {
  const { path, asked } = await saved();
  expect((await run(undefined, 1, searching(path, asLiteral(asked)))).output).toMatch(
    /this process was started alone/,
  );
});
