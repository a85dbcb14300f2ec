/** The programs that people begin with, run where the package is installed, as they stand. */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { linkPackage, manifest } from '../support/installedPackage.js';
import { runIn } from '../support/runIn.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const LIMIT = 300_000;
const inFolder = temporaryFolder();

/** @returns the folder of the copy */
function copyOf(example: string, packages: readonly string[] = []): string {
  cpSync(join(packageRoot(), 'examples', example), inFolder(), { recursive: true });
  linkPackage(inFolder(), packages);
  return inFolder();
}

/** Read from the data set's own file: its header has 8 bytes. */
function firstTestLabels(count: number): number[] {
  const file = join(packageRoot(), 'datasets/fashion-mnist-sample/t10k-labels-idx1-ubyte.gz');
  return [...gunzipSync(readFileSync(file)).subarray(8, 8 + count)];
}

const NAMES = 'T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot'.split(',');

const percentIn = (text: string) => Number(/accuracy ([\d.]+) %/.exec(text)?.[1]);

test(
  'cjs: trains, and predicts with the model that it kept',
  async () => {
    const { status, stdout, stderr } = await runIn(copyOf('cjs'), [process.execPath, 'train.cjs']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [accuracy, ...images] = stdout.trim().split('\n');
    expect(percentIn(accuracy!)).toBeGreaterThan(75);
    const shown = images.map((line) => /^image (\d): (.+), predicted (.+)$/.exec(line)!.slice(1));
    expect(shown.map(([, is]) => is)).toEqual(firstTestLabels(3).map((label) => NAMES[label]));
    for (const [, , predicted] of shown) expect(NAMES).toContain(predicted);
    expect(existsSync(inFolder('clothes.safetensors'))).toBe(true);
  },
  LIMIT,
);

test(
  'esm: the margin moves class centres apart',
  async () => {
    const { status, stdout, stderr } = await runIn(copyOf('esm'), [process.execPath, 'heads.mjs']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [softmax, arcface] = stdout
      .trim()
      .split('\n')
      .map((line) => ({
        head: line.split(':')[0],
        accuracy: percentIn(line),
        other: Number(/centre ([\d.]+)°$/.exec(line)?.[1]),
      }));
    expect([softmax?.head, arcface?.head]).toEqual(['softmax', 'arcface']);
    for (const { accuracy } of [softmax!, arcface!]) expect(accuracy).toBeGreaterThan(75);
    expect(arcface!.other).toBeGreaterThan(softmax!.other + 10);
  },
  LIMIT,
);

describe('typescript', () => {
  const compile = (folder: string) =>
    runIn(folder, [process.execPath, join(packageRoot(), 'node_modules/typescript/bin/tsc')]);
  const program = () => copyOf('typescript', ['@types/node']);

  test(
    'compiles, trains, and says by a code what cannot be',
    async () => {
      const folder = program();
      expect(await compile(folder)).toEqual({ status: 0, stdout: '', stderr: '' });
      const { status, stdout } = await runIn(folder, [process.execPath, 'dist/train.js', 'cpu']);
      expect(status).toBe(0);
      expect(stdout).toMatch(
        /^trained on cpu\nepoch 1: loss [\d.]+, .*\nepoch 2: loss [\d.]+, validation [5-9]\d\.\d %\n$/,
      );
      // No machine has so many cards.
      const refused = await runIn(folder, [process.execPath, 'dist/train.js', 'cuda:99']);
      expect(refused).toMatchObject({
        status: 1,
        stdout: '',
        stderr: expect.stringMatching(/^DEVICE_UNAVAILABLE: /),
      });
    },
    LIMIT,
  );

  test(
    'the compiler sees a head that there is not',
    async () => {
      const folder = program();
      const file = inFolder('src/train.ts');
      writeFileSync(file, readFileSync(file, 'utf8').replace("'am-softmax'", "'am-sotfmax'"));
      expect((await compile(folder)).stdout).toContain('"am-sotfmax"');
    },
    LIMIT,
  );

  test('asks for the versions that this checkout is and is tested with', () => {
    const { dependencies, devDependencies } = JSON.parse(
      readFileSync(join(packageRoot(), 'examples/typescript/package.json'), 'utf8'),
    );
    const { version, devDependencies: tested } = manifest();
    expect(dependencies).toEqual({ margincore: `^${version}` });
    for (const [name, range] of Object.entries(devDependencies))
      expect([name, range]).toEqual([name, `^${tested[name]}`]);
  });
});

describe('worker', () => {
  const INTERVAL = 20;
  const ticksIn = (text: string) => Number(/did (\d+) other things/.exec(text)?.[1]);

  test(
    'says how training goes on, beside a thread that is free',
    async () => {
      const times: number[] = [];
      const { status, stdout, stderr } = await runIn(copyOf('worker'), [process.execPath, 'main.mjs'], {
        onLine: () => times.push(performance.now()),
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const lines = stdout.trim().split('\n');
      expect(lines.slice(0, 4).map((line) => /^epoch (\d) of 4, loss [\d.]+$/.exec(line)?.[1])).toEqual([
        '1',
        '2',
        '3',
        '4',
      ]);
      expect(percentIn(lines[4]!)).toBeGreaterThan(75);
      // Of a busy machine's time a quarter is enough; a thread that trained itself would have a handful.
      expect(ticksIn(lines[5]!)).toBeGreaterThan((times[3]! - times[0]!) / INTERVAL / 4);
    },
    LIMIT,
  );

  test.each([
    ['when its time is up', ['main.mjs', '0'], undefined],
    ['on Ctrl-C', ['main.mjs'], 'SIGINT'],
  ] as const)(
    'ends %s',
    async (_, args, signal) => {
      const { status, stdout, stderr } = await runIn(copyOf('worker'), [process.execPath, ...args], {
        onLine: (line, kill) => signal !== undefined && line.startsWith('epoch 1 ') && kill(signal),
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(/^stopped$/m);
      expect(stdout).not.toMatch(/^epoch 4 |accuracy/m);
    },
    LIMIT,
  );
});
