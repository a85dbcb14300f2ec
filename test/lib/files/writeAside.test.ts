/** What stands under a name is whole, whatever goes wrong. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { writeAside } from '../../../lib/files/writeAside.js';
import { nodeProgram } from '../../support/nodeProgram.js';
import { refusal } from '../../support/refusal.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

const write = (path: string, text: string) =>
  writeAside(path, async (file) => {
    await file.write(text);
  });

test('the new content takes the place of the old', async () => {
  await write(inFolder('a'), 'old');
  await write(inFolder('a'), 'new');
  expect(readFileSync(inFolder('a'), 'utf8')).toBe('new');
  expect(readdirSync(inFolder())).toEqual(['a']);
});

test('a writer that fails leaves the old one', async () => {
  writeFileSync(inFolder('a'), 'old');
  const failed = writeAside(inFolder('a'), async (file) => {
    await file.write('half of');
    throw new Error('no more');
  });
  await expect(failed).rejects.toThrow('no more');
  expect(readFileSync(inFolder('a'), 'utf8')).toBe('old');
  expect(readdirSync(inFolder())).toEqual(['a']);
});

test.each<[string, string[], RegExp]>([
  ['no such folder', ['none', 'a'], /its folder does not exist/],
  ['a file in place of the folder', ['file', 'a'], /leads through a file/],
  ['a folder of that name', ['folder'], /a folder has that name/],
])('%s', async (_, names, message) => {
  mkdirSync(inFolder('folder'));
  writeFileSync(inFolder('file'), '');
  expect(await refusal(() => write(inFolder(...names), 'text'))).toMatchObject({
    code: 'FILE_NOT_WRITTEN',
    message: expect.stringMatching(message),
  });
});

test('a link is kept, a pipe is no file, and a mode stays', async () => {
  writeFileSync(inFolder('a'), 'old', { mode: 0o600 });
  symlinkSync(inFolder('a'), inFolder('link'));
  await write(inFolder('link'), 'new');
  expect(readFileSync(inFolder('a'), 'utf8')).toBe('new');
  expect(lstatSync(inFolder('link')).isSymbolicLink()).toBe(true);
  expect(statSync(inFolder('a')).mode & 0o777).toBe(0o600);
  execFileSync('mkfifo', [inFolder('pipe')]);
  expect(await refusal(() => write(inFolder('pipe'), 'text'))).toMatchObject({ code: 'FILE_NOT_WRITTEN' });
  expect(statSync(inFolder('pipe')).isFIFO()).toBe(true);
});

/** As a user that file permissions hold for, and with a limit of the size of files in place of a full disk. */
const OF_A_USER = (path: string, bytes: number) => `
  const { writeAside } = require('./dist/lib/files/writeAside.js');
  if (process.getuid() === 0) process.setuid(65534);
  writeAside(${JSON.stringify(path)}, async (file) => {
    const block = Buffer.alloc(65536, 'x');
    for (let done = 0; done < ${bytes}; ) done += (await file.write(block)).bytesWritten;
  }).then(() => console.log('written'), ({ code, message }) => console.log(code, message));
`;

test('a folder that may only be read', async () => {
  chmodSync(inFolder(), 0o555);
  const { stdout } = await nodeProgram(OF_A_USER(inFolder('a'), 10));
  chmodSync(inFolder(), 0o755);
  expect(stdout).toMatch(/^FILE_NOT_WRITTEN .*permissions/);
});

test('where files may not grow so large, as where the disk is full', () => {
  chmodSync(inFolder(), 0o777);
  writeFileSync(inFolder('a'), 'old');
  const script = `trap '' XFSZ; ulimit -f 100; exec "$0" -e "$1"`;
  const args = ['-c', script, process.execPath, OF_A_USER(inFolder('a'), 1e6)];
  const told = execFileSync('bash', args, { encoding: 'utf8' });
  expect(told).toMatch(/^FILE_NOT_WRITTEN .* larger than files may be/);
  expect(readFileSync(inFolder('a'), 'utf8')).toBe('old');
  expect(readdirSync(inFolder())).toEqual(['a']);
});
