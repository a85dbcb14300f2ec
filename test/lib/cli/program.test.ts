/** What every command shares: help, version, and what is said when the command line is wrong. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { TRAIN_FLAGS } from '../../../lib/cli/train/flags.js';
import { HEAD_WORDS } from '../../../lib/heads/resolve.js';
import { margincore } from '../../support/margincore.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

const HEADS = HEAD_WORDS.join('|');

test.each([[[]], [['--help']], [['-h']]])('%j: the commands', async (args) => {
  const { status, stdout, stderr } = await margincore(args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const names = Array.from(stdout.matchAll(/^ {2}([\w-]+) +\S/gm), ([, name]) => name);
  expect(names.join(' ')).toBe(
    'train find-lr evaluate predict embed verify calibrate enrol identify gallery mistakes data augment compare watch recipe doctor build',
  );
  expect(stdout).toContain('130 after Ctrl-C, 143 after SIGTERM.');
});

test('--version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
  expect(await margincore(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
});

test("a command's help names all its flags, and wins over whatever else is given", async () => {
  const { status, stdout } = await margincore(['train', '--nonsense', '--help']);
  expect(status).toBe(0);
  for (const { name } of TRAIN_FLAGS.flatMap(({ flags }) => flags)) {
    expect(stdout).toMatch(new RegExp(`--(\\[no-\\])?${name}\\b`));
  }
});

test.each([
  [['trian'], "there is no command 'trian'. Did you mean 'train'?", ''],
  [['toString'], "there is no command 'toString'.", ''],
  [['train', '--haed', 'arcface'], 'there is no option --haed. Did you mean --head?', 'train '],
  [
    ['train', '--embeding-size=8'],
    'there is no option --embeding-size. Did you mean --embedding-size?',
    'train ',
  ],
  [['train', '-x'], 'there is no option -x.', 'train '],
  [['train', '--lr', '0.1'], 'there is no option --lr. Did you mean --learning-rate?', 'train '],
  [['train', '--margin=0.5'], 'there is no option --margin. Did you mean --m?', 'train '],
  [['train', '--scale=30'], 'there is no option --scale. Did you mean --s?', 'train '],
  [['train', '--batch_size=30'], 'there is no option --batch_size. Did you mean --batch-size?', 'train '],
  [['train', '--wd', '1e-4'], 'there is no option --wd. Did you mean --weight-decay?', 'train '],
  [['train', '--m'], '--m needs a value: NUMBER', 'train '],
  [['train', '--head', '--m', '0.5'], `--head needs a value: ${HEADS}`, 'train '],
  [['train', '--m', 'half'], "--m needs NUMBER, not 'half'", 'train '],
  [['train', '--m', ''], "--m needs NUMBER, not ''", 'train '],
  [['train', '--class-weights', '1,,2'], "--class-weights needs A,B,…, not '1,,2'", 'train '],
  [['train', '--head', 'arcfaec'], `--head needs ${HEADS}, not 'arcfaec'. Did you mean 'arcface'?`, 'train '],
  [['train', '--nesterov=yes'], '--nesterov takes no value: use --nesterov or --no-nesterov', 'train '],
  [['train', '--no-head'], 'there is no option --no-head.', 'train '],
  [['train', '--seed', '1', '--seed', '2'], '--seed is given twice', 'train '],
  [['train', '--progress', '--no-progress'], '--progress is given twice', 'train '],
  [['train', 'fashion-mnist'], "unexpected argument 'fashion-mnist'", 'train '],
  [['train', '--schedule', 'step'], '--schedule step needs --milestones', 'train '],
  [['train', '--gamma', '0.5'], '--gamma needs --schedule step', 'train '],
  [['train', '--momentum', '0.9'], '--momentum needs --optimizer sgd', 'train '],
  [['train', '--optimizer', 'sgd', '--beta1', '0.9'], '--beta1 needs --optimizer adam|adamw', 'train '],
  [['train', '--draws', '9'], '--draws needs --sampler classBalanced', 'train '],
  [
    ['train', '--sampler', 'classBalanced', '--images-per-class', '4'],
    '--images-per-class needs --sampler perClass',
    'train ',
  ],
  [
    ['train', '--num-classes', '10'],
    'there is no option --num-classes. The number of classes follows from data: from its labels, or from classNames',
    'train ',
  ],
  [
    ['train', '--schedule', 'step', '--min-learning-rate', '0'],
    '--min-learning-rate needs --schedule cosine',
    'train ',
  ],
  [['doctor', '--head', 'arcface'], 'there is no option --head.', 'doctor '],
])('%j is a usage error', async (args, message, command) => {
  const stderr = `margincore: ${message}\nSee margincore ${command}--help\n`;
  expect(await margincore(args)).toEqual({ status: 2, stdout: '', stderr });
});

/** Whatever the options of the API refuse, and what is named and nowhere. */
test.each([
  [['train', '--epochs', '0'], 'a number in (0, 1000000] for epochs but received 0'],
  [['train', '--threads', '5000'], 'for threads'],
  [['train', '--device', 'gpu'], 'for device but received "gpu" of type string. Did you mean \'cuda\'?'],
  [['train', '--validation', '2'], 'for validation'],
  [['train', '--learning-rate=-1'], 'for learningRate'],
  [['train', '--classes', 'Bag,Caot'], "Did you mean 'Coat'?"],
  [['train', '--sampler', 'perClass', '--classes-per-batch', '8'], 'for sampler.images'],
  [['train', '--schedule', 'step', '--milestones=-1'], 'milestones'],
  [['train', '--head', 'softmax', '--m', '0.5'], 'The head here is softmax; m is an option of'],
  [['train', '--class-weights', '1,2', '--epochs', '1'], '10 numbers, one per class, for classWeights'],
  [['train', '--normalize', '0,0:1,1'], '1 numbers for normalize.mean'],
  [['train', '--auxiliary', 'center:weigth=1'], "Did you mean 'weight'?"],
  [['train', '--model', 'vgg11', '--image-size', '5000'], 'for imageSize'],
  [['train', '--image-size', '32'], '--image-size needs --model'],
  [['train', '--model', 'vgg11', '--image-size', '32'], 'a window of 2 does not fit'],
  [['train', '--data', 'nowhere/at/all'], 'nowhere/at/all does not exist'],
  [['train', '--data=nowhere/at/all'], 'nowhere/at/all does not exist'],
  [['train', '--data', join(packageRoot(), 'schemas')], 'expected a folder of IDX files'],
  [['train', '--json', 'nowhere/result.json'], 'a file that can be written for --json'],
  [['doctor', '--json', 'nowhere/result.json'], 'a file that can be written for --json'],
  [['doctor', 'all'], "unexpected argument 'all'"],
])('%j ends with status 2, and points to the help', async (args, message) => {
  const { status, stdout, stderr } = await margincore(args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain(message);
  expect(stderr).toMatch(new RegExp(`\nSee margincore ${args[0]} --help\n$`));
});

test('a run that fails through the machine or a file ends with status 1', async () => {
  const folder = inFolder('images');
  mkdirSync(folder);
  for (const name of ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte']) {
    writeFileSync(inFolder('images', name), 'nonsense');
  }
  for (const args of [
    ['--data', folder],
    ['--device', 'cuda:99'],
  ]) {
    const { status, stderr } = await margincore(['train', ...args]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^margincore: .*\[(FILE_CORRUPT|DEVICE_UNAVAILABLE)\]\n/);
  }
});

test('the help says what statuses mean', async () => {
  expect((await margincore(['--help'])).stdout).toMatch(
    /\nExit status: 0 done; 1 it failed, .*; 2 the command line/,
  );
});

describe('an error of the API', () => {
  const args = ['train', '--head', 'arcface', '--m', '45'];
  const message = /^margincore: Expected an angle in radians .* 45 .* \[INVALID_OPTION\]\n/;

  test('is a line with its code', async () => {
    const { status, stdout, stderr } = await margincore(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.split('\n')).toHaveLength(3);
  });

  test('has its stack with MARGINCORE_DEBUG=1', async () => {
    const { stderr } = await margincore(args, { debug: true });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/\n {4}at /);
  });
});
