/** examples/docker/Dockerfile, as far as can be said without building it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { manifest } from '../support/installedPackage.js';
import { unknownCommands } from '../support/namedCommands.js';

const CONTEXT = 'examples';
const text = readFileSync(join(packageRoot(), 'examples/docker/Dockerfile'), 'utf8');

interface Instruction {
  readonly name: string;
  readonly words: string;
}

const instructions = text
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line): Instruction => {
    const [, name, words] = /^([A-Z]+) +(.*)$/.exec(line)!;
    return { name: name!, words: words! };
  });

const all = (name: string) => instructions.filter((each) => each.name === name).map(({ words }) => words);
const lastIndex = (name: string) => instructions.map((each) => each.name).lastIndexOf(name);

test('the last stage has the cuBLAS and cuDNN that the CUDA backend opens', () => {
  const source = readFileSync(join(packageRoot(), 'native/backend/cuda_libraries.cpp'), 'utf8');
  const major = (library: string) => new RegExp(`"lib${library}\\.so\\.(\\d+)"`).exec(source)![1];
  const base = all('FROM').at(-1);
  expect(base).toMatch(new RegExp(`^nvidia/cuda:${major('cublas')}\\.\\d+\\.\\d+-cudnn-runtime-`));
  // NVIDIA's images for CUDA 13 have cuDNN 9.
  expect(major('cudnn')).toBe('9');
});

test('Node comes from a stage that the package supports', () => {
  const [, node, stage] = /^node:(\d+)-\S+ AS (\w+)$/.exec(all('FROM')[0]!)!;
  const [, least] = /^>=(\d+)$/.exec(manifest().engines.node!)!;
  expect(Number(node)).toBeGreaterThanOrEqual(Number(least));
  const copied = all('COPY').filter((words) => words.startsWith(`--from=${stage} `));
  expect(copied.map((words) => words.split(' ')[1])).toEqual([
    '/usr/local/bin/',
    '/usr/local/lib/node_modules/',
  ]);
});

test('what runs there is no root', () => {
  const [user] = all('USER');
  expect(user).not.toMatch(/^(root|0)\b/);
  expect(all('RUN')[0]).toContain(`useradd --create-home ${user} `);
  expect(lastIndex('USER')).toBeLessThan(lastIndex('CMD'));
  const asUser = instructions.slice(lastIndex('USER')).filter(({ name }) => name === 'RUN');
  expect(asUser.length).toBeGreaterThan(1);
  for (const { words } of asUser) expect(words).not.toMatch(/apt-get|useradd|chown/);
});

test('what is copied lies in the folder that the image is built from', () => {
  expect(text).toMatch(new RegExp(`^# +docker build .*--file examples/docker/Dockerfile ${CONTEXT}$`, 'm'));
  const files = all('COPY').filter((words) => !words.startsWith('--from='));
  expect(files.length).toBeGreaterThan(0);
  for (const words of files) {
    const source = words.split(' ')[0]!;
    expect([source, existsSync(join(packageRoot(), CONTEXT, source))]).toEqual([source, true]);
  }
});

test('its commands are commands', async () => {
  for (const words of all('RUN'))
    expect([words, spawnSync('sh', ['-n', '-c', words]).status]).toEqual([words, 0]);
  const [program, ...rest] = JSON.parse(all('CMD')[0]!);
  expect(await unknownCommands(`${text}\n${[program, ...rest].join(' ')}`)).toEqual([]);
  expect(await unknownCommands('npx margincore docter && npm run nothing && scripts/none.sh')).toEqual([
    'scripts/none.sh',
    'nothing',
    'docter',
  ]);
});
