import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { MarginCoreError } from '../../base/errors.js';
import { packageRoot } from '../../base/packageRoot.js';
import { readBytes } from '../../files/readBytes.js';
import { readIdxSplit, type SplitFiles } from '../formats/idx.js';
import { IdxFolder } from '../formats/idxFolder.js';
import type { Dataset } from '../types.js';
import { checkDataset } from '../validate.js';

/** Where Debian's package dataset-fashion-mnist puts the full data set. */
const DEBIAN_FOLDER = '/usr/share/datasets/fashion-mnist';

const CLASS_NAMES = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
];

interface Files {
  train: SplitFiles;
  test: SplitFiles;
}

/** Fashion-MNIST from the given folder; without one, from Debian's package where it is installed, else the bundled sample. */
export async function fashionMnist(folderPath?: string): Promise<Dataset> {
  if (folderPath !== undefined) return load('fashion-mnist', folderPath, await filesIn(folderPath));
  const installed = await filesIn(DEBIAN_FOLDER).catch(undefinedIfNotFound);
  return installed ? load('fashion-mnist', DEBIAN_FOLDER, installed) : fashionMnistSample();
}

/** The part of Fashion-MNIST that comes with this package: 600 training and 100 test images of each class. */
export async function fashionMnistSample(): Promise<Dataset> {
  return verifiedSample(join(packageRoot(), 'datasets', 'fashion-mnist-sample'));
}

/** Reads a sample whose files must have the checksums that its checksums.json lists. */
export async function verifiedSample(folderPath: string): Promise<Dataset> {
  const checksums = await readChecksums(join(folderPath, 'checksums.json'));
  const files = (prefix: string) => ({
    images: join(folderPath, `${prefix}-images-idx3-ubyte.gz`),
    labels: join(folderPath, `${prefix}-labels-idx1-ubyte.gz`),
  });
  const sample = { train: files('train'), test: files('t10k') };
  return load('fashion-mnist-sample', folderPath, sample, (path, file) => {
    const expected = checksums[basename(path)];
    const found = createHash('sha256').update(file).digest('hex');
    if (found !== expected) {
      throw new MarginCoreError('FILE_CORRUPT', `${path}: expected sha256 ${expected}, found ${found}`, {
        details: { path, expected, found },
      });
    }
  });
}

async function load(
  name: string,
  folderPath: string,
  files: Files,
  verify?: (path: string, file: Buffer) => void,
): Promise<Dataset> {
  const train = await readIdxSplit(files.train, verify);
  const test = await readIdxSplit(files.test, verify);
  const dataset = { name, train, test, classNames: CLASS_NAMES, numClasses: CLASS_NAMES.length };
  return checkDataset(dataset, `${name}(${JSON.stringify(folderPath)})`);
}

async function filesIn(folderPath: string): Promise<Files> {
  const folder = await IdxFolder.open(folderPath);
  return { train: folder.files('train'), test: folder.files('test') };
}

function undefinedIfNotFound(error: MarginCoreError): undefined {
  if (error.code !== 'FILE_NOT_FOUND') throw error;
}

async function readChecksums(path: string): Promise<Record<string, string>> {
  const text = (await readBytes(path)).toString();
  try {
    return JSON.parse(text);
  } catch (cause) {
    const found = JSON.stringify(text.slice(0, 40));
    throw new MarginCoreError('FILE_CORRUPT', `${path}: expected JSON, found ${found}`, {
      cause,
      details: { path },
    });
  }
}
