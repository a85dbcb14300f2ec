/** What each guide takes for granted, and what a test has to run in place of what is written there. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { pictureOf, writePictureFolders } from '../support/pictureFolders.js';
import type { Change } from './docCode.js';

export interface Guide {
  readonly file: string;
  /** What its reader has, in a folder. */
  prepare?(folder: string): Promise<void>;
  readonly changes?: readonly Change[];
  /** Blocks that no test runs, by what they begin with, and why. */
  readonly notRun?: Readonly<Record<string, string>>;
  /** Packages beside margincore that it says to install. */
  readonly packages?: readonly string[];
}

const SECONDS = 'a test is a matter of seconds';
const NETWORK = 'packages come by the network';
const NO_GPU = 'no machine of the tests has several GPUs';

const numbered = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}${n}`);

/** LFW's form, with two folds of two pairs of either kind. */
const PAIRS = [
  '2\t2',
  ...['other0\t1\t2', 'other1\t1\t2', 'other0\t1\tother2\t1', 'other1\t2\tother3\t1'],
  ...['other4\t1\t2', 'other5\t1\t2', 'other4\t1\tother2\t1', 'other5\t2\tother3\t1'],
];

export const TRAIN: Guide = {
  file: 'train-on-a-folder.md',
  async prepare(folder) {
    await writePictureFolders(join(folder, 'photos'), ['cat', 'dog', 'fox', 'owl'], 12);
    writeFileSync(join(folder, 'new.jpg'), await pictureOf('owl', 99));
  },
  changes: [
    { from: 'epochs: 30', to: 'epochs: 4, batchSize: 8', because: SECONDS },
    { from: '--epochs 30', to: '--epochs 4 --batch-size 8', because: SECONDS },
    { from: 'resnet18({ imageSize: 64 })', to: 'resnet18({ imageSize: 64, width: 0.25 })', because: SECONDS },
    { from: '--model resnet18', to: '--model resnet18 --width 0.25', because: SECONDS },
  ],
};

export const FACES: Guide = {
  file: 'verify-faces.md',
  async prepare(folder) {
    await writePictureFolders(join(folder, 'people'), numbered('person', 12), 8);
    for (const name of ['strangers', 'lfw'])
      await writePictureFolders(join(folder, name), numbered('other', 6), 4);
    await writePictureFolders(join(folder, 'staff'), ['Ada', 'Grace'], 3);
    writeFileSync(join(folder, 'pairs.txt'), `${PAIRS.join('\n')}\n`);
    writeFileSync(join(folder, 'passport.jpg'), await pictureOf('Ada', 40));
    writeFileSync(join(folder, 'door.jpg'), await pictureOf('Ada', 50));
    writeFileSync(join(folder, 'unknown.jpg'), await pictureOf('Nobody', 1));
  },
  changes: [
    { from: '112', to: '32', because: SECONDS },
    { from: 'embeddingSize: 512', to: 'embeddingSize: 64, width: 0.25', because: SECONDS },
    { from: 'epochs: 30', to: 'epochs: 8, batchSize: 16', because: SECONDS },
  ],
};

export const BROWSER: Guide = {
  file: 'export-to-the-browser.md',
  packages: ['onnxruntime-web', 'esbuild'],
  async prepare(folder) {
    await writePictureFolders(join(folder, 'photos'), ['cat', 'dog', 'fox', 'owl'], 12);
    const picture = await pictureOf('fox', 99);
    writeFileSync(join(folder, 'new.png'), await sharp(picture).png().toBuffer());
    writeFileSync(
      join(folder, 'large.png'),
      await sharp(picture).resize(128, 96, { fit: 'cover' }).png().toBuffer(),
    );
  },
};

export const GPUS: Guide = {
  file: 'many-gpus.md',
  async prepare(folder) {
    for (const name of ['photos', 'people'])
      await writePictureFolders(join(folder, name), ['a', 'b', 'c', 'd'], 20);
  },
  changes: [
    { from: '--device cuda', to: '--device cpu --size 32', because: NO_GPU },
    { from: "device: 'cuda'", to: "device: 'cpu'", because: NO_GPU },
    { from: '-n 4', to: '-n 2', because: SECONDS },
    { from: 'epochs: 30', to: 'epochs: 1', because: SECONDS },
    { from: '--epochs 30', to: '--epochs 1', because: SECONDS },
    {
      from: 'resnet18({ imageSize: 64 })',
      to: 'resnet18({ imageSize: 64, width: 0.125 })',
      because: SECONDS,
    },
    { from: 'mpirun -n 2', to: 'mpirun.openmpi -n 2', because: 'the other MPI may be that of the name' },
  ],
  notRun: { 'apt-get install openmpi-bin': NETWORK },
};

export const INSTALL: Guide = {
  file: 'install.md',
  changes: [{ from: '--epochs 2', to: '--steps 4', because: SECONDS }],
  notRun: {
    'npm install margincore': NETWORK,
    'python3 -m venv': NETWORK,
    'npx margincore build':
      'the checkout would be compiled; scripts/check-package.sh does it where the package is installed',
  },
};

export const GUIDES = [TRAIN, FACES, BROWSER, GPUS, INSTALL];
