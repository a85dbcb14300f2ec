/** `margincore train` as a process of its own, on a few images in a folder. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { idxBytes } from '../../support/idxBytes.js';
import { margincore, start } from '../../support/margincore.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

/** Two classes of 16×16 images, dark and bright. */
function dataFolder(): string {
  const folder = inFolder('images');
  mkdirSync(folder);
  for (const [prefix, count] of [
    ['train', 40],
    ['t10k', 10],
  ] as const) {
    const labels = Array.from({ length: count }, (_, index) => index % 2);
    const pixels = labels.flatMap((label) =>
      Array.from({ length: 256 }, (_, pixel) => 200 * label + (pixel % 50)),
    );
    writeFileSync(inFolder('images', `${prefix}-images-idx3-ubyte`), idxBytes([count, 16, 16], pixels));
    writeFileSync(inFolder('images', `${prefix}-labels-idx1-ubyte`), idxBytes([count], labels));
  }
  return folder;
}

const SMALL = ['--embedding-size', '8', '--batch-size', '20', '--device', 'cpu', '--threads', '1'];
const train = (...args: string[]) => margincore(['train', '--data', dataFolder(), ...SMALL, ...args]);

test('a result on standard output, progress on standard error', async () => {
  const { status, stdout, stderr } = await train('--head', 'arcface', '--s', '8', '--epochs', '2');
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /^test accuracy [\d.]+ %, mean angle to the own class centre [\d.]+°, between nearest class centres [\d.]+°\n$/,
  );
  expect(stderr).toMatch(/arcface {2}m 0\.5 · s 8 ·.*\n40 images · 2 epochs · 4 steps/);
  expect(stderr).toMatch(
    /epoch 1\/2 .*\n +θ own \d+° \(\d+–\d+\) · .* · ψ\(θ \+ 0\.5\).*\nepoch 2\/2 .*\n +θ own .*\n/,
  );
});

const PERCENTILES = [expect.any(Number), expect.any(Number), expect.any(Number)];

test('--json - writes JSON and nothing else to standard output', async () => {
  const flags = ['--head', 'arcface', '--s', 'learn:8', '--optimizer', 'sgd', '--learning-rate', '0.01'];
  const { status, stdout, stderr } = await train(
    ...flags,
    '--epochs',
    '1',
    '--validation',
    '0.2',
    '--json',
    '-',
  );
  expect(status).toBe(0);
  expect(stderr).toContain('epoch 1/1');
  expect(JSON.parse(stdout)).toEqual({
    firstLoss: { measured: expect.any(Number) },
    history: [
      expect.objectContaining({
        ...{ epoch: 1, steps: 2, validation: expect.anything(), diagnoses: expect.any(Array) },
        ...{ margin: { m1: 1, m2: 0.5, m3: 0 }, lambda: 0, pastPi: expect.any(Number) },
        ...{ gradientNorm: expect.any(Number), logitGradientNorm: expect.any(Number) },
        head: {
          targetAngle: PERCENTILES,
          nearestOtherAngle: PERCENTILES,
          featureNorm: PERCENTILES,
          weightNorm: PERCENTILES,
          nearestOwn: expect.any(Number),
          spread: expect.any(Number),
        },
      }),
    ],
    test: { accuracy: expect.any(Number), loss: expect.any(Number) },
    angles: { ownCentreMean: expect.any(Number), nearestOtherCentreMean: expect.any(Number) },
    options: expect.objectContaining({
      head: 'arcface',
      s: { learn: true, init: 8 },
      optimizer: { type: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 5e-4 },
      learningRate: expect.objectContaining({ type: 'warmup' }),
      normalize: { mean: [expect.any(Number)], std: [expect.any(Number)] },
      validation: 0.2,
    }),
    notes: [],
    environment: expect.objectContaining({ backend: 'cpu', threads: 1, simulated: false }),
  });
});

test.each([
  [
    ['--head', 'l2', '--alpha', 'learn:9', '--l2-scope', 'batch'],
    { head: 'l2-softmax', alpha: { learn: true, init: 9 }, l2Scope: 'batch' },
  ],
  [
    ['--head', 'sphereface', '--m', '2', '--lambda', 'base=100,until=0.5', '--margin-warmup', '1'],
    { head: 'a-softmax', m: 2, lambda: { base: 100, until: 0.5, min: 0 }, marginWarmup: 1 },
  ],
  [
    [
      ...['--head', 'combined', '--m1', '1.1', '--m2', '0.2', '--m3', '0.1', '--s', '8'],
      ...['--auxiliary', 'center:weight=0.1', '--logit-normalizer', 'scaled-bn:m=0.9'],
    ],
    {
      ...{ head: 'combined', m1: 1.1, m2: 0.2, m3: 0.1, s: 8 },
      auxiliary: { type: 'center', weight: 0.1, rate: 0.5 },
      logitNormalizer: { type: 'scaled-bn', m: 0.9, epsilon: 1e-5 },
    },
  ],
  [['--head', 'pedcc', '--weight', '2'], { head: 'pedcc', m: 0.35, s: 7.5, weight: 2 }],
  [
    ['--head', 'center', '--weight', '0.1', '--rate', '1'],
    { head: 'center', weight: 0.1, rate: 1, bias: true },
  ],
  [['--head', 'sbn', '--m', '0.9', '--bn-epsilon', '1e-3'], { head: 'scaled-bn', m: 0.9, epsilon: 1e-3 }],
])('%j reaches the run', async (flags, expected) => {
  const { status, stdout } = await train(...flags, '--epochs', '1', '--no-progress', '--json', '-');
  expect(status).toBe(0);
  expect(JSON.parse(stdout).options).toMatchObject(expected);
});

test('--json FILE and --svg FILE are written whole, existing ones replaced', async () => {
  writeFileSync(inFolder('result.json'), 'old');
  const { status, stderr } = await train(
    ...['--epochs', '1', '--no-progress', '--json', inFolder('result.json'), '--svg', inFolder('angles.svg')],
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(readFileSync(inFolder('result.json'), 'utf8')).options.head).toBe('softmax');
  expect(readFileSync(inFolder('angles.svg'), 'utf8')).toContain(
    '>softmax: angles of 10 test embeddings</title>',
  );
  expect(readdirSync(inFolder()).sort()).toEqual(['angles.svg', 'images', 'result.json']);
});

test.each([
  ['--json', '.'],
  ['--svg', '.'],
  ['--json', 'missing/result.json'],
])('%s %s: refused before the training', async (flag, name) => {
  const { status, stdout, stderr } = await train(flag, inFolder(name));
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(
    new RegExp(`^margincore: Expected a file that can be written for ${flag} but.*\\n.*--help\\n$`),
  );
});

test.each([
  ['SIGINT', 130, 'interrupted'],
  ['SIGTERM', 143, 'terminated'],
] as const)('%s ends the training with status %d and writes no result', async (signal, expected, word) => {
  const json = inFolder('result.json');
  const args = ['train', '--data', dataFolder(), ...SMALL, '--epochs', '1000000', '--json', json];
  const { process: child, finished } = start(args);
  child.stderr!.on('data', function interrupt(text: string) {
    if (!text.includes('epoch ')) return;
    child.stderr!.off('data', interrupt);
    child.kill(signal);
  });
  const { status, stdout, stderr } = await finished;
  expect({ status, stdout }).toEqual({ status: expected, stdout: '' });
  expect(stderr).toMatch(new RegExp(`\\nmargincore: ${word}\\n$`));
  expect(existsSync(json)).toBe(false);
});

test('a folder that is not there is named', async () => {
  const { status, stderr } = await margincore(['train', '--data', inFolder('nowhere')]);
  expect(status).toBe(2);
  expect(stderr).toContain(inFolder('nowhere'));
  expect(stderr).toContain('[FILE_NOT_FOUND]');
});
