/**
 * The code in README is run: its pieces with what goes before them, on small pictures, where the package is installed.
 * That all of it compiles as it stands is readmeCode.test.ts's.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { linkPackage } from '../support/installedPackage.js';
import { unknownCommands } from '../support/namedCommands.js';
import { pictureOf, writePictureFolders } from '../support/pictureFolders.js';
import { isThere } from '../support/ranks.js';
import { testWhere } from '../support/skip.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { blocksOf, type Change, changed, compileIn, runProgram, runShell } from './docCode.js';

const SECONDS = 'a test is a matter of seconds';
const inFolder = temporaryFolder();
jest.setTimeout(300_000);
const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
const blocks = blocksOf(readme);

/** The one block that has some text in it. */
function blockWith(text: string): string {
  const found = blocks.filter(({ code }) => code.includes(text));
  expect([text, found.length]).toEqual([text, 1]);
  return found[0]!.code;
}

interface Piece {
  /** Some text of each block, in their order */
  readonly blocks: readonly string[];
  /** What their reader has written before. */
  readonly given?: string;
  readonly changes?: readonly Change[];
  /** Prints what it came to. */
  readonly after: string;
  readonly expected: RegExp;
}

const NETWORK = `const network = models.resnet18({ imageSize: 32, width: 0.25, embeddingSize: 16 });`;
const TRAINED = `import { contactSheet, datasets, models, train, type Prediction } from 'margincore';
const data = await datasets.imageFolder('photos', { size: 32 });
${NETWORK}
const { model } = await train({ data, model: network, head: 'arcface', s: 16, epochs: 3, batchSize: 8 });`;

const PIECES: Readonly<Record<string, Piece>> = {
  'the first program': {
    blocks: ['await datasets.fashionMnist()'],
    changes: [
      {
        from: 'fashionMnist()',
        to: 'fashionMnistSample()',
        because: 'not every machine has the whole of it',
      },
      { from: 'epochs: 4', to: 'epochs: 1', because: SECONDS },
    ],
    after: 'console.log(labels.length, test!.accuracy > 0.6);',
    expected: /^1000 true$/m,
  },
  'your own pictures': {
    blocks: ["await datasets.imageFolder('photos', { size: 64 })"],
    changes: [
      { from: 'epochs: 30', to: 'epochs: 2, batchSize: 8', because: SECONDS },
      { from: 'imageSize: 64', to: 'imageSize: 64, width: 0.25', because: SECONDS },
    ],
    after: 'console.log(model.classNames);',
    expected: /^Int32Array\(1\) \[ [012] \]\n\[ 'Ada', 'Alan', 'Grace' \]$/m,
  },
  // The pictures of one class are those of a name, too.
  'keeping and using models': {
    blocks: ["await gallery.save('staff.gallery')", "await model.exportOnnx('faces.onnx')"],
    given: `import { datasets } from 'margincore';
import { createRequire } from 'node:module';
import type * as runtime from 'onnxruntime-node';
const ort: typeof runtime = createRequire(import.meta.url)('onnxruntime-node');
const data = await datasets.imageFolder('photos', { size: 28 });
const pixels = data.test!.images.data.slice(0, 28 * 28 * 3);`,
    changes: [
      { from: '112', to: '28', because: SECONDS },
      { from: 'photos/ada', to: 'photos/Ada', because: 'that is the folder here' },
    ],
    after: `const { data: ours } = await model.embed({ data: pixels, shape: [1, 28, 28, 3] }, { normalize: false });
const theirs = embedding!.data as Float32Array;
const scale = Math.hypot(...ours) / Math.hypot(...theirs);
const apart = Math.max(...ours.map((value, index) => Math.abs(value - scale * theirs[index]!))) / Math.hypot(...ours);
console.log(door!.matches.every(({ name }) => name === 'Ada'), gallery.names, cosines.length, same!.length, apart < 1e-4);`,
    expected: /^true \[ 'Ada' \] 1 1 true$/m,
  },
  'fine-tuning': {
    blocks: ["freeze: ['conv1', 'bn1', 'layer1']"],
    given: `import { datasets, models, train } from 'margincore';
const data = await datasets.imageFolder('photos', { size: 32 });
const first = await train({ data, model: models.resnet18({ imageSize: 32, width: 0.25 }), steps: 1 });
await first.model.exportPyTorch('resnet18.safetensors');`,
    changes: [
      {
        from: 'models.resnet18({ weights',
        to: 'models.resnet18({ imageSize: 32, width: 0.25, weights',
        because: SECONDS,
      },
      { from: "head: 'arcface',", to: "head: 'arcface', epochs: 1,", because: SECONDS },
    ],
    after: `await model.exportPyTorch('tuned.safetensors');
const { readFileSync } = await import('node:fs');
const tensor = (file: string, name: string) => {
  const bytes = readFileSync(file);
  const header = 8 + Number(bytes.readBigUInt64LE());
  const [from, to] = JSON.parse(bytes.toString('utf8', 8, header))[name].data_offsets;
  return bytes.subarray(header + from, header + to).toString('hex');
};
const isKept = (name: string) => tensor('resnet18.safetensors', name) === tensor('tuned.safetensors', name);
console.log(isKept('layer1.0.conv1.weight'), isKept('layer2.0.conv1.weight'));`,
    expected: /^true false$/m,
  },
  mistakes: {
    blocks: ['await contactSheet(model, data.test!'],
    given: TRAINED,
    after: 'console.log(html.slice(0, 15).toLowerCase(), mistakes.length >= 0);',
    expected: /^<!doctype html> true$/m,
  },
  measures: {
    blocks: ['await embeddingReport('],
    given: TRAINED,
    changes: [{ from: 'k: [1, 5, 10]', to: 'k: [1, 2]', because: 'there are few test images' }],
    after:
      'console.log([rank1, rPrecision, mapAtR].every((value) => value! >= 0 && value! <= 1), angles !== undefined, knn !== undefined, nearestCentroid >= 0);',
    expected: /^true true true true$/m,
  },
  strangers: {
    blocks: ['const isStranger = '],
    given: `${TRAINED}
const validation = data.test!;
const pixels = Uint8Array.from({ length: 2 * 32 * 32 * 3 }, (_, at) => (at * 7919) % 256);
const images = { data: pixels, shape: [2, 32, 32, 3] as [number, number, number, number] };`,
    after: 'console.log(isStranger.length, isStranger.every((each) => typeof each === "boolean"));',
    expected: /^2 true$/m,
  },
};

async function prepare(): Promise<void> {
  linkPackage(inFolder(), ['onnxruntime-node']);
  await writePictureFolders(inFolder('photos'), ['Ada', 'Alan', 'Grace'], 20);
  for (const name of ['passport.jpg', 'door.jpg', 'new.jpg'])
    writeFileSync(inFolder(name), await pictureOf('Ada', 50));
}

test('every block of README is a piece, or the command of several processes', () => {
  const pieces = Object.values(PIECES).flatMap((piece) => piece.blocks.map(blockWith));
  const others = blocks.filter(({ code }) => !pieces.includes(code));
  expect(others.map(({ language, code }) => [language, code.split(' ')[0]])).toEqual([['bash', 'mpirun']]);
});

test('commands in the text and in indented lines are there', async () => {
  const code = Array.from(readme.matchAll(/`([^`\n]+)`|^ {4}(\S.*)$/gm), ([, span, line]) => span ?? line);
  expect(code.filter((each) => each?.startsWith('npx margincore ')).length).toBeGreaterThan(10);
  expect(await unknownCommands(code.join('\n'))).toEqual([]);
});

test.each(Object.entries(PIECES))('%s', async (_, { blocks, given = '', changes = [], after, expected }) => {
  await prepare();
  const code = changed(blocks.map(blockWith).join('\n'), changes);
  expect(await compileIn(inFolder(), { 'program.ts': `export {};\n${given}\n${code}\n${after}\n` })).toBe('');
  const { status, stdout, stderr } = await runProgram(inFolder(), 'program.js');
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(expected);
});

testWhere(isThere('openmpi'), 'no Open MPI')('several processes', async () => {
  linkPackage(inFolder());
  const command = changed(blockWith('mpirun -n 4'), [
    { from: 'mpirun -n 4', to: 'mpirun.openmpi -n 2', because: 'the other MPI may be that of the name' },
    { from: '--distributed', to: '--distributed --steps 2 --device cpu', because: SECONDS },
  ]);
  const { status, stdout } = await runShell(inFolder(), command);
  expect(status).toBe(0);
  expect(stdout.match(/^test accuracy /gm)).toHaveLength(1);
});
