/** `npm pack` refuses a package without its binaries, and with those of other sources. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { manifest } from '../support/installedPackage.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const inFolder = temporaryFolder();

const write = (file: string, text = file) => {
  mkdirSync(dirname(inFolder(file)), { recursive: true });
  writeFileSync(inFolder(file), text);
};

const BINARIES = ['margincore.node', 'libmargincore_cpu.so', 'libmargincore_cuda.so', 'libdnnl.so.2'].map(
  (name) => `prebuilds/linux-x64/${name}`,
);

/** Small sources of a file each, the real scripts, and what a build would leave, stamped as the builds do. */
beforeEach(() => {
  cpSync(join(packageRoot(), 'scripts'), inFolder('scripts'), { recursive: true });
  write('package.json', JSON.stringify(manifest()));
  for (const file of [
    'CMakeLists.txt',
    'native/core.cpp',
    'tsconfig.json',
    'package-lock.json',
    'dist/lib/index.js',
  ])
    write(file);
  for (const file of ['lib/index.ts', 'test/one.ts', 'examples/one.ts', ...BINARIES]) write(file);
  const stamping = [
    'source scripts/stamps.sh',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Bash's
    'stamp prebuilds/linux-x64/sources.checksum "${native_sources[@]}"; stamp "$dist_stamp" "${dist_sources[@]}"',
  ].join('; ');
  expect(spawnSync('bash', ['-c', stamping], { cwd: inFolder() }).status).toBe(0);
});

/** What npm runs before it packs. */
const check = () => run('bash', ['scripts/prepack.sh']);

function run(command: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: inFolder(), encoding: 'utf8' });
  return { status, stdout, stderr };
}

const ADVICE = 'This builds all of it: npm run prebuildify\n';

test('with binaries of these sources it is packed, and says of which sources they are', () => {
  const { status, stdout } = run('npm', ['pack', '--dry-run', '--json']);
  expect(status).toBe(0);
  for (const file of [...BINARIES, 'prebuilds/linux-x64/sources.checksum'])
    expect(stdout).toContain(`"${file}"`);
});

test.each([...BINARIES, 'dist/lib/index.js'])('without %s it is refused', (file) => {
  rmSync(inFolder(file));
  expect(check()).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(`not to be packed: there is no ${file}\n`),
  });
});

test('without prebuilds npm packs nothing; each missing file is named, with what builds them', () => {
  rmSync(inFolder('prebuilds'), { recursive: true });
  const { status, stdout, stderr } = run('npm', ['pack', '--json']);
  expect(status).toBe(1);
  expect(stdout).not.toContain('filename');
  expect(readdirSync(inFolder()).filter((name) => name.endsWith('.tgz'))).toEqual([]);
  for (const file of BINARIES) expect(stderr).toContain(`there is no ${file}\n`);
  expect(stderr).toContain(ADVICE);
});

test.each([
  ['a native source that changed', () => write('native/core.cpp', 'other')],
  ['a new native source', () => write('native/more.cpp')],
  ['a native source that is gone', () => rmSync(inFolder('native/core.cpp'))],
  ['another version', () => write('package.json', JSON.stringify({ ...manifest(), version: '9.9.9' }))],
  [
    'binaries that do not say of what they are',
    () => rmSync(inFolder('prebuilds/linux-x64/sources.checksum')),
  ],
])('%s: refused', (_, change) => {
  change();
  const { status, stderr } = check();
  expect(status).toBe(1);
  expect(stderr).toContain(
    'prebuilds/linux-x64 was not built from CMakeLists.txt, package.json and native/ as they are',
  );
  expect(stderr).toContain(ADVICE);
});

describe('in a repository', () => {
  const git = (...words: string[]) => {
    const identity = ['-c', 'user.name=a', '-c', 'user.email=a@b', '-c', 'commit.gpgsign=false'];
    const { status, stderr } = run('git', [...identity, ...words]);
    expect({ status, stderr }).toMatchObject({ status: 0 });
  };

  beforeEach(() => {
    write('.gitignore', 'dist\nprebuilds\n');
    for (const file of ['README.md', 'LICENSE', 'datasets/one', 'docs/one', 'schemas/one']) write(file);
    git('init', '--quiet');
    git('add', '.');
    git('commit', '--quiet', '-m', 'all');
  });

  test('what is committed is packed', () => expect(check()).toMatchObject({ status: 0, stderr: '' }));

  test.each([
    ['a changed file', 'README.md'],
    ['a new one', 'docs/two'],
  ])('with %s it is refused', (_, file) => {
    write(file, 'other');
    expect(check()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(
        `not to be packed: there are changes that are not committed: ${file}\n`,
      ),
    });
  });

  test('what is no part of the package may change', () => {
    write('bench/one');
    write('notes.txt');
    expect(check().status).toBe(0);
  });
});

test('JavaScript of other TypeScript is refused', () => {
  write('lib/index.ts', 'other');
  const { status, stderr } = check();
  expect(status).toBe(1);
  expect(stderr).toContain(
    'dist was not built from tsconfig.json package-lock.json lib test examples as they are now',
  );
  expect(stderr).toContain(ADVICE);
});
