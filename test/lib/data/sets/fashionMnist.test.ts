import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as root from '../../../../lib/base/packageRoot.js';
import { type Dataset, datasets, type Split } from '../../../../lib/data/index.js';
import { verifiedSample } from '../../../../lib/data/sets/fashionMnist.js';
import { idxBytes } from '../../../support/idxBytes.js';
import { testWhere } from '../../../support/skip.js';
import { temporaryFolder } from '../../../support/temporaryFolder.js';

const { packageRoot } = root;

const inFolder = temporaryFolder();
const SAMPLE = join(packageRoot(), 'datasets', 'fashion-mnist-sample');
const FILES = [
  'train-images-idx3-ubyte.gz',
  'train-labels-idx1-ubyte.gz',
  't10k-images-idx3-ubyte.gz',
  't10k-labels-idx1-ubyte.gz',
];

const FULL = '/usr/share/datasets/fashion-mnist';
const hasFull = FILES.every((name) => existsSync(join(FULL, name)));
const testWithFull = testWhere(hasFull, `the full Fashion-MNIST is not in ${FULL}`);

function samplesPerClass({ labels }: Split): number[] {
  return [...labels].reduce((counts, label) => counts.with(label, counts[label]! + 1), new Array(10).fill(0));
}

describe('the bundled sample', () => {
  let sample: Dataset;
  beforeAll(async () => {
    sample = await datasets.fashionMnistSample();
  });

  test('has its name, its classes and its sizes', () => {
    expect(sample.name).toBe('fashion-mnist-sample');
    expect(sample.numClasses).toBe(10);
    expect(sample.classNames).toHaveLength(10);
    expect(sample.classNames[0]).toBe('T-shirt/top');
    expect(sample.classNames[9]).toBe('Ankle boot');
    expect(sample.train.images.shape).toEqual([6000, 28, 28, 1]);
    expect(sample.test?.images.shape).toEqual([1000, 28, 28, 1]);
  });

  test('is balanced', () => {
    expect(samplesPerClass(sample.train)).toEqual(new Array(10).fill(600));
    expect(samplesPerClass(sample.test!)).toEqual(new Array(10).fill(100));
  });

  test('has the checksums that its folder and its README state', () => {
    const checksums = JSON.parse(readFileSync(join(SAMPLE, 'checksums.json'), 'utf8'));
    const readme = readFileSync(join(SAMPLE, 'README.md'), 'utf8');
    expect(Object.keys(checksums)).toEqual(FILES);
    for (const name of FILES) {
      const sha256 = createHash('sha256')
        .update(readFileSync(join(SAMPLE, name)))
        .digest('hex');
      expect(checksums[name]).toBe(sha256);
      expect(readme).toContain(sha256);
    }
  });

  test('states no time, name or system of its making in a gzip header', () => {
    for (const name of FILES) {
      const header = readFileSync(join(SAMPLE, name)).subarray(0, 10);
      expect(header.toString('hex')).toBe('1f8b0800000000000203'); // no flags, time 0, level 9, Unix
    }
  });

  testWithFull(`is what its script makes of ${FULL}`, () => {
    const script = join(packageRoot(), 'scripts', 'make-fashion-mnist-sample.mjs');
    execFileSync(process.execPath, [script, FULL, inFolder()]);
    for (const name of FILES) {
      const made = gunzipSync(readFileSync(inFolder(name)));
      expect(made.equals(gunzipSync(readFileSync(join(SAMPLE, name))))).toBe(true);
    }
  });

  testWithFull(`holds the first of each class of ${FULL}`, async () => {
    const full = await datasets.fashionMnist(FULL);
    const lastOfClass = new Array(10).fill(-1);
    for (let sampleIndex = 0; sampleIndex < 6000; sampleIndex += 1) {
      const label = sample.train.labels[sampleIndex]!;
      lastOfClass[label] = full.train.labels.indexOf(label, lastOfClass[label] + 1);
      const taken = imageAt(sample.train, sampleIndex);
      if (!taken.equals(imageAt(full.train, lastOfClass[label])))
        throw new Error(`image ${sampleIndex} differs`);
    }
  });
});

function imageAt({ images }: Split, index: number): Buffer {
  return Buffer.from(images.data.buffer, images.data.byteOffset + index * 784, 784);
}

describe('a damaged copy of the sample', () => {
  beforeEach(() => cpSync(SAMPLE, inFolder(), { recursive: true }));

  test('undamaged, it loads', async () => {
    await expect(verifiedSample(inFolder())).resolves.toMatchObject({ name: 'fashion-mnist-sample' });
  });

  test.each(FILES)('one bit of %s', async (name) => {
    const bytes = readFileSync(inFolder(name));
    const expected = createHash('sha256').update(bytes).digest('hex');
    bytes[bytes.length - 20]! ^= 1;
    writeFileSync(inFolder(name), bytes);
    const found = createHash('sha256').update(bytes).digest('hex');
    await expect(verifiedSample(inFolder())).rejects.toMatchObject({
      code: 'FILE_CORRUPT',
      message: `${inFolder(name)}: expected sha256 ${expected}, found ${found}`,
    });
  });

  test('no checksums', async () => {
    rmSync(inFolder('checksums.json'));
    await expect(verifiedSample(inFolder())).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  test('checksums that are not JSON', async () => {
    writeFileSync(inFolder('checksums.json'), '<html>');
    await expect(verifiedSample(inFolder())).rejects.toMatchObject({
      code: 'FILE_CORRUPT',
      message: `${inFolder('checksums.json')}: expected JSON, found "<html>"`,
    });
  });
});

describe('fashionMnist', () => {
  test('takes a given folder', async () => {
    for (const name of FILES) copyFileSync(join(SAMPLE, name), inFolder(name));
    const { name, train, test } = await datasets.fashionMnist(inFolder());
    const sample = await datasets.fashionMnistSample();
    expect(name).toBe('fashion-mnist');
    expect(Buffer.compare(train.images.data, sample.train.images.data)).toBe(0);
    expect(Buffer.compare(test!.images.data, sample.test!.images.data)).toBe(0);
    expect(test!.labels).toEqual(sample.test!.labels);
  });

  test('takes the installed set, or else the bundled sample, and its name says which', async () => {
    const { name, train } = await datasets.fashionMnist();
    expect([name, train.labels.length]).toEqual(
      hasFull ? ['fashion-mnist', 60_000] : ['fashion-mnist-sample', 6000],
    );
  });

  test('refuses a given folder without the test files', async () => {
    for (const name of FILES.slice(0, 2)) copyFileSync(join(SAMPLE, name), inFolder(name));
    await expect(datasets.fashionMnist(inFolder())).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringContaining(
        'expected a file of test images, found none of t10k-images-idx3-ubyte,',
      ),
    });
  });

  test('refuses a class that Fashion-MNIST does not have', async () => {
    for (const name of FILES) copyFileSync(join(SAMPLE, name), inFolder(name));
    const labels = new Uint8Array(1000).fill(10, 17, 18);
    writeFileSync(inFolder('t10k-labels-idx1-ubyte.gz'), idxBytes([1000], labels));
    await expect(datasets.fashionMnist(inFolder())).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringContaining('label of sample 17: expected an integer in 0…9, found 10'),
    });
  });
});

test('a package that is not whole is a rejection too, as every other failure', async () => {
  const fault = new Error('bundled');
  jest.spyOn(root, 'packageRoot').mockImplementation(() => {
    throw fault;
  });
  const loading = datasets.fashionMnistSample();
  jest.restoreAllMocks();
  await expect(loading).rejects.toBe(fault);
});
