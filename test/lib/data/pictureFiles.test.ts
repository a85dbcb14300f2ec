import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { classFolders, pictureFiles } from '../../../lib/data/pictureFiles.js';
import { refusal } from '../../support/refusal.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

function put(...paths: readonly string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(inFolder(path)), { recursive: true });
    writeFileSync(inFolder(path), '');
  }
}

test('pictures by their endings, of any case, and of folders within', async () => {
  put('p/b.JPG', 'p/a.png', 'p/c/d/1.TiFf', 'p/notes.txt', 'p/png', 'p/A.webp');
  expect(await pictureFiles(inFolder('p'))).toEqual(
    ['A.webp', 'a.png', 'b.JPG', 'c/d/1.TiFf'].map((name) => inFolder('p', name)),
  );
  expect(await pictureFiles(inFolder('p/notes.txt'))).toEqual([inFolder('p/notes.txt')]);
});

test('what is hidden, and folders and pipes that are called as pictures are, are none', async () => {
  put('p/a.png', 'p/._a.png', 'p/.DS_Store', 'p/.thumbnails/a.png', 'p/folder.png/b.png');
  execFileSync('mkfifo', [inFolder('p', 'pipe.png')]);
  expect(await pictureFiles(inFolder('p'))).toEqual(
    ['a.png', 'folder.png/b.png'].map((name) => inFolder('p', name)),
  );
  put('classes/Ada/1.png', 'classes/.cache/2.png', 'classes/list.txt');
  expect((await classFolders(inFolder('classes'))).map(({ name }) => name)).toEqual(['Ada']);
});

test('links are followed, and those that lead back are refused', async () => {
  put('p/q/a.png', 'elsewhere/b.png');
  symlinkSync(inFolder('elsewhere/b.png'), inFolder('p/link.png'));
  const found = ['link.png', 'q/a.png'];
  expect(await pictureFiles(inFolder('p'))).toEqual(found.map((name) => inFolder('p', name)));
  symlinkSync('p', inFolder('given'));
  expect(await pictureFiles(inFolder('given'))).toEqual(found.map((name) => inFolder('given', name)));
  for (const back of ['..', '../..']) {
    symlinkSync(back, inFolder('p/q/up'));
    expect(await refusal(() => pictureFiles(inFolder('p')))).toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringContaining('leads back'),
    });
    rmSync(inFolder('p/q/up'));
  }
  mkdirSync(inFolder('classes'));
  symlinkSync('../elsewhere', inFolder('classes/Ada'));
  expect(await classFolders(inFolder('classes'))).toEqual([
    { name: 'Ada', files: [inFolder('classes/Ada/b.png')] },
  ]);
});

test.each([
  ['none', 'does not exist'],
  ['p/empty', 'no pictures'],
  ['p/a.png/b', 'file where a folder'],
])('%s is refused', async (path, said) => {
  put('p/a.png');
  mkdirSync(inFolder('p/empty'));
  const { code, message } = await refusal(() => pictureFiles(inFolder(path)));
  expect([code, message]).toEqual(['FILE_NOT_FOUND', expect.stringContaining(said)]);
  expect(await refusal(() => classFolders(inFolder('p/empty')))).toMatchObject({ code: 'FILE_NOT_FOUND' });
  expect(await refusal(() => classFolders(inFolder('p')))).toMatchObject({ code: 'FILE_NOT_FOUND' });
});
