/** Commands that use a saved model, on pictures in folders, against what the API answers. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { allPairs, calibrateThreshold, Gallery, Model } from '../../../lib/index.js';
import { margincore } from '../../support/margincore.js';
import { randomImages, randomModel } from '../../support/randomModel.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();
const CPU = ['--device', 'cpu'];

/** A model, and for three people two pictures each, which differ little. */
beforeEach(async () => {
  using model = await randomModel(tinyModel, [28, 28, 1], { head: 'arcface' });
  await model.save(inFolder('model'));
  for (const [person, name] of ['Ada', 'Bob', 'Eve, "E."'].entries()) {
    mkdirSync(inFolder('people', name), { recursive: true });
    for (const n of [1, 2]) {
      const { data } = randomImages(1, [28, 28, 1], person + 1);
      data[n] = 255 - data[n]!;
      const raw = { width: 28, height: 28, channels: 1 } as const;
      await sharp(data, { raw })
        .png()
        .toFile(inFolder('people', name, `${n}.png`));
    }
  }
});

async function run(...args: string[]) {
  const { status, stdout, stderr } = await margincore(args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

const ofAda = () => inFolder('people', 'Ada', '1.png');
const ofBob = () => inFolder('people', 'Bob', '1.png');

test('embed prints CSV, JSON or a file with the very numbers', async () => {
  using model = await Model.load(inFolder('model'), { device: 'cpu' });
  const expected = await model.embed(inFolder('people'));
  const csv = await run('embed', inFolder('model'), inFolder('people'), ...CPU);
  const lines = csv.trimEnd().split('\n');
  expect(lines).toHaveLength(6);
  const [file, ...numbers] = lines[0]!.split(',');
  expect(file).toBe(ofAda());
  expect(Float32Array.from(numbers, Number)).toEqual(expected.data.slice(0, 16));
  expect(lines[4]).toContain('"');
  const raw = await model.embed(ofAda(), { normalize: false });
  const printed = await run('embed', inFolder('model'), ofAda(), '--no-normalize', ...CPU);
  expect(Float32Array.from(printed.trimEnd().split(',').slice(1), Number)).toEqual(raw.data);
  expect(raw.data).not.toEqual(expected.data.slice(0, 16));
  const json = JSON.parse(await run('embed', inFolder('model'), inFolder('people'), '--json', '-', ...CPU));
  expect(Float32Array.from(json.data)).toEqual(expected.data);
  expect(json.files).toEqual(expected.files);
  await run('embed', inFolder('model'), inFolder('people'), '--save', inFolder('saved'), ...CPU);
  const saved = readFileSync(inFolder('saved'));
  const length = Number(saved.readBigUInt64LE());
  const header = JSON.parse(saved.toString('utf8', 8, 8 + length));
  expect(header.embeddings).toMatchObject({ dtype: 'F32', shape: [6, 16] });
  expect(JSON.parse(header.__metadata__.files)).toEqual(expected.files);
  expect(saved.subarray(8 + length)).toEqual(Buffer.from(expected.data.buffer));
});

test('verify says the cosine, and by a threshold whether it is enough', async () => {
  using model = await Model.load(inFolder('model'), { device: 'cpu' });
  const { cosines } = await model.verify(ofAda(), ofBob());
  const shown = `${ofAda()} ${ofBob()}: cosine ${cosines[0]!.toFixed(4)}`;
  expect(await run('verify', inFolder('model'), ofAda(), ofBob(), ...CPU)).toBe(`${shown}\n`);
  const strict = ['--threshold', '1'];
  expect(await run('verify', inFolder('model'), ofAda(), ofBob(), ...strict, ...CPU)).toBe(
    `${shown}, different\n`,
  );
  const loose = ['--threshold=-1', '--json', '-'];
  expect(
    JSON.parse(await run('verify', inFolder('model'), ofAda(), ofBob(), ...loose, ...CPU)),
  ).toMatchObject({
    same: [true],
    files: [[ofAda(), ofBob()]],
  });
});

test('calibrate compares all pairs of a folder of folders', async () => {
  using model = await Model.load(inFolder('model'), { device: 'cpu' });
  const embeddings = await model.embed(inFolder('people'));
  const { cosines, isSame } = await allPairs(embeddings, [0, 0, 1, 1, 2, 2], { device: 'cpu' });
  const expected = calibrateThreshold(cosines, isSame, { far: 0.25 });
  expect([expected.same, expected.different]).toEqual([3, 12]);
  const command = ['calibrate', inFolder('model'), inFolder('people'), ...CPU];
  expect(JSON.parse(await run(...command, '--far', '0.25', '--json', '-'))).toEqual(expected);
  expect(await run(...command, '--far', '0.25')).toContain(`threshold ${expected.threshold}\n`);
  expect(await run(...command)).toMatch(
    /^threshold .*\nfalse accepts 0.0 % of 12 .*\n.*\n.*more than 12 pairs/,
  );
});

test('calibrate refuses too many pictures before it reads any', async () => {
  for (let n = 0; n < 8190; n++) symlinkSync('none', inFolder('people', 'Ada', `link ${n}.png`));
  const { status, stderr } = await margincore(['calibrate', inFolder('model'), inFolder('people'), ...CPU]);
  expect([status, stderr]).toEqual([1, expect.stringContaining('All pairs of 8196')]);
});

test('enrol makes a gallery and adds to it; identify asks it; gallery lists and changes it', async () => {
  const [model, gallery, people] = [inFolder('model'), inFolder('gallery'), inFolder('people')];
  expect(await run('enrol', model, gallery, people, '--threshold', '0.25', ...CPU)).toMatch(
    /Ada: 2 more, 2 in all\n/,
  );
  await run('enrol', model, gallery, ofAda(), '--name', 'Ada', ...CPU);
  using loaded = await Model.load(model, { device: 'cpu' });
  using known = await Gallery.load(gallery, { model: loaded, device: 'cpu' });
  expect([known.count('Ada'), known.count(), known.threshold]).toEqual([3, 7, 0.25]);
  const found = JSON.parse(
    await run('identify', model, gallery, people, '--top', '2', '--json', '-', ...CPU),
  );
  expect(found).toEqual(await known.identify(people, { top: 2 }));
  expect(found[0].matches[0].name).toBe('Ada');
  expect(await run('identify', model, gallery, ofBob(), '--threshold', '1', ...CPU)).toMatch(/Bob|unknown/);
  expect(await run('gallery', gallery, '--remove', 'Ada')).toBe(
    'Bob: 2\nEve, "E.": 2\n2 names, 4 embeddings, threshold 0.25\n',
  );
  expect(await run('identify', model, gallery, ofAda(), '--threshold', '0.999', ...CPU)).toBe(
    `${ofAda()}: unknown\n`,
  );
});

test('of two that enrol at once none is lost unnoticed', async () => {
  const enrol = (name: string, file: string) =>
    margincore(['enrol', inFolder('model'), inFolder('gallery'), file, '--name', name, ...CPU]);
  const ended = await Promise.all([enrol('Ada', ofAda()), enrol('Bob', ofBob())]);
  using gallery = await Gallery.load(inFolder('gallery'), { device: 'cpu' });
  for (const [index, name] of ['Ada', 'Bob'].entries()) {
    const { status, stderr } = ended[index]!;
    expect([0, 1]).toContain(status);
    expect(stderr).toEqual(status === 0 ? '' : expect.stringContaining('FILE_IN_USE'));
    expect(gallery.count(name)).toBe(status === 0 ? 1 : 0);
  }
});

test('a picture that is broken leaves a gallery as it was', async () => {
  await run('enrol', inFolder('model'), inFolder('gallery'), inFolder('people'), ...CPU);
  const before = readFileSync(inFolder('gallery'));
  writeFileSync(inFolder('people', 'Bob', '3.png'), 'no picture');
  const command = ['enrol', inFolder('model'), inFolder('gallery'), inFolder('people'), ...CPU];
  const { status, stderr } = await margincore(command);
  expect([status, stderr]).toEqual([1, expect.stringContaining(inFolder('people', 'Bob', '3.png'))]);
  expect(readFileSync(inFolder('gallery'))).toEqual(before);
});

test('evaluate scores a folder with a folder for each class', async () => {
  using model = await randomModel(tinyModel, [28, 28, 1], { head: 'arcface' }, 3);
  await model.save(inFolder('named'));
  const command = ['evaluate', inFolder('named'), '--data', inFolder('people'), ...CPU];
  const { status, stderr } = await margincore(command);
  expect(status).toBe(1);
  expect(stderr).toContain("found 'Ada'");
  expect(stderr).toContain('class 0, class 1, class 2');
});

test.each([
  [['verify', 'MODEL', 'none.png', 'none.png'], 2, 'none.png does not exist'],
  [['verify', 'MODEL', 'PEOPLE'], 2, 'B is missing'],
  [['calibrate', 'MODEL', 'PEOPLE', '--far', '2'], 2, 'far'],
  [['calibrate', 'MODEL', 'none'], 2, 'none'],
  [['enrol', 'MODEL', 'GALLERY', 'none'], 2, 'none'],
  [['identify', 'MODEL', 'GALLERY', 'PEOPLE'], 2, 'does not exist'],
  [['identify', 'MODEL', 'MODEL', 'PEOPLE'], 1, 'no gallery'],
  [['gallery', 'MODEL'], 1, 'no gallery'],
  [['predict', 'MODEL', 'PEOPLE', '--top', '0'], 2, 'top'],
])('%j fails with a reason', async (args, expected, said) => {
  const names: Record<string, string> = {
    MODEL: inFolder('model'),
    GALLERY: inFolder('gallery'),
    PEOPLE: inFolder('people'),
  };
  const { status, stderr } = await margincore(args.map((word) => names[word] ?? word));
  expect(stderr).toContain(said);
  expect(status).toBe(expected);
});
