/** What every command shares: help, version, and what is said when the command line is wrong. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { TRAIN_FLAGS } from '../../../lib/cli/train/flags.js';
import { HEAD_WORDS } from '../../../lib/heads/resolve.js';
import { margincore } from '../../support/margincore.js';

const HEADS = HEAD_WORDS.join('|');

test.each([[[]], [['--help']], [['-h']]])('%j: the commands', async (args) => {
  const { status, stdout, stderr } = await margincore(args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^ {2}train .*\n {2}doctor /m);
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

describe('an error of the API', () => {
  const args = ['train', '--head', 'arcface', '--m', '45'];
  const message = /^margincore: Expected an angle in radians .* 45 .* \[INVALID_OPTION\]\n/;

  test('is one line with its code', async () => {
    const { status, stdout, stderr } = await margincore(args);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.split('\n')).toHaveLength(2);
  });

  test('has its stack with MARGINCORE_DEBUG=1', async () => {
    const { stderr } = await margincore(args, { debug: true });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/\n {4}at /);
  });
});
