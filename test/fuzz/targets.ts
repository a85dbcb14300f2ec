/** Parsers of what strangers send. Whatever the bytes: they are taken, or refused with a code of ours. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { MarginCoreError } from '../../lib/base/errors.js';
import { decodePictures } from '../../lib/data/decode.js';
import { usingFile } from '../../lib/files/tensorFile.js';
import { checkHead, resolveHead } from '../../lib/heads/resolve.js';
import { datasets, Gallery, Model, train } from '../../lib/index.js';
import { tfRecord } from '../../lib/logs/tfRecord.js';
import { NO_OPTIMIZER } from '../../lib/model/loadModel.js';
import { loadPretrained } from '../../lib/model/pretrained.js';
import { native } from '../../lib/native/load.js';
import { watchContent } from '../../lib/watch/page.js';
import { WatchedRuns } from '../../lib/watch/watchedRuns.js';
import { everyLayer, INPUT, loggedEvents, pythonFile, rightGallery, rightModels } from './seeds.js';

type InFolder = (name: string) => string;

export interface Target {
  readonly name: string;
  /** How many files `npm test` shows it. */
  readonly runs: number;
  /** Refusals that bytes deserve. */
  readonly codes: readonly string[];
  /** Files that are right. */
  right(inFolder: InFolder): Promise<Buffer[]>;
  /** @param inFolder Names of files that may be written */
  parse(bytes: Buffer, inFolder: InFolder): Promise<void>;
}

/** A run of two steps, which are all that there are. */
const runIn = (checkpoint: string) =>
  train({
    data: datasets.fromArrays({
      images: Uint8Array.from({ length: 6 * 36 }, (_, i) => (i * 37) % 256),
      ...{ shape: [6, 6, 6, 1], labels: [0, 1, 2, 0, 1, 2] },
    }),
    ...{ model: everyLayer, head: 'arcface', auxiliary: 'center', optimizer: 'adam' },
    ...{ epochs: 2, batchSize: 6, device: 'cpu', threads: 1, progress: false, checkpoint, resume: true },
  });

export const TARGETS: readonly Target[] = [
  {
    name: 'tensor files',
    runs: 400,
    codes: ['FILE_CORRUPT'],
    right: async (inFolder) => [...(await rightModels(inFolder)), pythonFile()],
    async parse(bytes, inFolder) {
      await writeFile(inFolder('spoiled'), bytes);
      await usingFile(inFolder('spoiled'), async (file) => {
        for (const name of file.tensors.keys()) await file.floats(name);
      });
    },
  },
  {
    name: 'model files',
    runs: 400,
    codes: ['FILE_CORRUPT', 'NEWER_VERSION'],
    right: rightModels,
    async parse(bytes, inFolder) {
      await writeFile(inFolder('spoiled'), bytes);
      (await Model.load(inFolder('spoiled'), { device: 'cpu', threads: 1 })).dispose();
    },
  },
  {
    name: 'gallery files',
    runs: 400,
    codes: ['FILE_CORRUPT', 'NEWER_VERSION'],
    right: async (inFolder) => [await rightGallery(inFolder)],
    async parse(bytes, inFolder) {
      await writeFile(inFolder('spoiled'), bytes);
      (await Gallery.load(inFolder('spoiled'), { device: 'cpu', threads: 1 })).dispose();
    },
  },
  {
    name: 'checkpoints',
    runs: 60,
    codes: ['FILE_CORRUPT', 'NEWER_VERSION', 'CHECKPOINT_MISMATCH'],
    async right(inFolder) {
      const folder = inFolder('run');
      (await runIn(folder)).model.dispose();
      const names = (await readdir(folder)).filter((name) => name.startsWith('checkpoint-'));
      return Promise.all(names.map((name) => readFile(join(folder, name))));
    },
    async parse(bytes, inFolder) {
      const folder = inFolder('spoiled run');
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder);
      await writeFile(join(folder, 'checkpoint-0002-step-2.safetensors'), bytes);
      (await runIn(folder)).model.dispose();
    },
  },
  {
    name: 'pretrained weights',
    runs: 150,
    codes: ['FILE_CORRUPT', 'WEIGHTS_MISMATCH'],
    async right(inFolder) {
      const [model] = await rightModels(inFolder);
      await writeFile(inFolder('right'), model!);
      using loaded = await Model.load(inFolder('right'), { device: 'cpu', threads: 1 });
      await loaded.exportPyTorch(inFolder('pytorch'));
      return [model!, await readFile(inFolder('pytorch'))];
    },
    async parse(bytes, inFolder) {
      await writeFile(inFolder('spoiled'), bytes);
      const session = new (native().Session)({
        ...{ backend: 'cpu', deviceIndex: 0, threads: 1, deterministic: false, precision: 'fp32', seed: 0 },
        ...{ network: { input: [...INPUT], layers: [...everyLayer.layers] } },
        ...{ head: resolveHead(checkHead({ head: 'softmax' }), 3).native, batchSize: 0 },
        ...{ mean: new Float32Array(1), std: new Float32Array([1]), optimizer: NO_OPTIMIZER },
      });
      try {
        await session.open();
        await loadPretrained(session, inFolder('spoiled'), INPUT);
      } finally {
        session.dispose();
      }
    },
  },
  {
    name: 'pictures',
    runs: 400,
    codes: ['FILE_CORRUPT'],
    async right() {
      const pixels = Buffer.from(Array.from({ length: 12 * 9 * 3 }, (_, i) => (i * 37) % 256));
      const picture = sharp(pixels, { raw: { width: 12, height: 9, channels: 3 } });
      const wide = Buffer.from(Array.from({ length: 2 * 6 }, (_, i) => i * 20));
      return [
        ...(await Promise.all(
          [picture.png(), picture.jpeg(), picture.gif(), picture.webp(), picture.tiff()].map((each) =>
            each.clone().toBuffer(),
          ),
        )),
        Buffer.concat([Buffer.from('P6\n# a comment\n12 9\n255\n'), pixels]),
        Buffer.concat([Buffer.from('P5 3 2 1000\n'), wide]),
      ];
    },
    async parse(bytes) {
      await decodePictures([bytes], [8, 7, 3], { resize: 'cover', background: 0 });
    },
  },
  {
    name: 'events',
    runs: 150,
    codes: ['FILE_CORRUPT'],
    right: async () => loggedEvents(),
    async parse(bytes, inFolder) {
      // Within a frame that is right: a checksum would keep what is behind it from ever being read.
      await mkdir(inFolder('run'), { recursive: true });
      await writeFile(join(inFolder('run'), 'events.out.tfevents.1.host'), tfRecord(bytes));
      const runs = new WatchedRuns(inFolder('run'));
      await runs.refresh();
      watchContent(runs, Date.now());
      for (const fault of runs.faults) throw fault;
    },
  },
];

/** Rejects for whatever a parser must not do. */
export async function expectTakenOrRefused(target: Target, bytes: Buffer, inFolder: InFolder): Promise<void> {
  try {
    await target.parse(bytes, inFolder);
  } catch (error) {
    if (error instanceof MarginCoreError && target.codes.includes(error.code)) return;
    throw error;
  }
}
