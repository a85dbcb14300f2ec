/**
 * What the program advises is typed here as it stands, where its reader stands. What takes minutes, a build, is done by
 * scripts/check-package.sh.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { copyAddon, installPackage, manifest } from '../support/installedPackage.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const PREBUILD = 'prebuilds/linux-x64';

const inFolder = temporaryFolder();

/** Types a command into a shell that has Node, npm and the system's basic programs, but no compiler and no network. */
function type(command: string, cwd: string, variables: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
    cwd,
    encoding: 'utf8',
    env: { HOME: inFolder(), PATH: pathWithoutCompiler(), npm_config_offline: 'true', ...variables },
  });
  return { status, stdout, stderr };
}

function pathWithoutCompiler(): string {
  const bin = inFolder('bin');
  mkdirSync(bin, { recursive: true });
  const node = dirname(process.execPath);
  for (const [name, file] of Object.entries({
    ...{ node: process.execPath, npm: join(node, 'npm'), npx: join(node, 'npx') },
    ...Object.fromEntries(
      ['sh', 'bash', 'env', 'dirname', 'cat', 'uname'].map((each) => [each, `/bin/${each}`]),
    ),
  })) {
    if (!readdirSync(bin).includes(name)) symlinkSync(file, join(bin, name));
  }
  return bin;
}

/** What follows `words` in a text, to the end of the line. */
function advised(text: string, words = 'Build it with: '): string {
  const line = text.split('\n').find((each) => each.includes(words));
  return line === undefined ? `no advice in: ${text}` : line.slice(line.indexOf(words) + words.length);
}

/** A program that wants the addon, in `cwd`. */
const load = (root: string, cwd: string) => type(`node -e "require('${root}').backends()"`, cwd).stderr;

/** Why the package in `app` does not compute on a device. */
const computeOn = (device: string, app: string, variables: Record<string, string> = {}) =>
  type(
    `node -e "require('margincore').headLoss({
      device: '${device}', head: 'softmax', numClasses: 2, embeddingSize: 2, labels: new Int32Array(1),
      features: new Float32Array(2), weights: new Float32Array(4),
    }).catch(({ message }) => console.log(message))"`,
    app,
    variables,
  ).stdout;

const NOTHING_TO_COMPILE_WITH =
  /^margincore: To compile there is no CMake, no Ninja or make, no C\+\+20 compiler, no oneDNN \[.*\]\nInstall it with: .*apt-get install .*cmake ninja-build g\+\+ libdnnl-dev'?\n/;

describe('installed by npm, without a prebuild', () => {
  test('in the project: npx runs this package, which says what it needs to compile', () => {
    const root = installPackage(inFolder('app'));
    const command = advised(load('margincore', inFolder('app')));
    expect(command).toBe('npx margincore build');
    expect(type(command, inFolder('app'))).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(NOTHING_TO_COMPILE_WITH),
    });
    expect(root).toBe(inFolder('app/node_modules/margincore'));
  });

  test('the line that the program prints is the command and nothing else', () => {
    installPackage(inFolder('app'));
    cpSync(join(packageRoot(), 'datasets'), inFolder('app/node_modules/margincore/datasets'), {
      recursive: true,
    });
    const { status, stderr } = type('npx margincore train --epochs 1', inFolder('app'));
    expect({ status, advice: advised(stderr) }).toEqual({ status: 1, advice: 'npx margincore build' });
    expect(stderr).toMatch(/^margincore: .* could not be loaded: \[NATIVE_MODULE_NOT_FOUND\]\n/);
  });

  test('elsewhere, where npx would fetch another package: by its path', () => {
    const root = installPackage(inFolder("the user's app"));
    mkdirSync(inFolder('elsewhere'));
    const { stdout } = type(`node "${root}/dist/lib/cli/main.js" doctor`, inFolder('elsewhere'));
    const command = advised(stdout);
    expect(command).toMatch(/^node '.*the user'\\''s app\/.*\/main\.js' build$/);
    expect(type(command, inFolder('elsewhere')).stderr).toMatch(NOTHING_TO_COMPILE_WITH);
  });

  test('the doctor says the same, and how to install what a build needs', () => {
    installPackage(inFolder('app'));
    const { status, stdout } = type('npx margincore doctor', inFolder('app'));
    expect({ status, advice: advised(stdout) }).toEqual({ status: 1, advice: 'npx margincore build' });
    const install = advised(stdout, 'Install it with: ');
    expect(type(`${install.replaceAll('apt-get', 'echo apt-get')} # words`, inFolder('app')).stdout).toMatch(
      /^apt-get update\napt-get install -y --no-install-recommends cmake ninja-build g\+\+ libdnnl-dev\n$/,
    );
  });

  test('where it cannot run at all it does not advise to build', () => {
    installPackage(inFolder('app'));
    const program =
      "Object.defineProperty(process, 'arch', { value: 'arm64' }); require('margincore').backends()";
    const { stderr } = type(`node -e "${program}"`, inFolder('app'));
    expect(stderr).toContain('margincore runs on linux x64; this is linux arm64');
    expect(stderr).not.toContain('Build it with');
  });
});

describe('a prebuild that does not do', () => {
  /** Installed with this addon as its prebuild. */
  function installedWithPrebuild(): string {
    const root = installPackage(inFolder('app'));
    copyAddon(root, PREBUILD);
    return root;
  }

  /** A file that asks for another version of the C library than there is: of the same length, so nothing else changes. */
  function asksForLaterGlibc(file: string): void {
    const bytes = readFileSync(file, 'latin1');
    const version = [...bytes.matchAll(/\0GLIBC_2\.\d\d\0/g)].at(-1)![0];
    writeFileSync(file, bytes.replaceAll(version, '\0GLIBC_9.99\0'.slice(0, version.length)), 'latin1');
  }

  test('a C library that is too old: the reason, and the build', () => {
    const root = installedWithPrebuild();
    asksForLaterGlibc(join(root, PREBUILD, 'margincore.node'));
    const message = load('margincore', inFolder('app'));
    expect(message).toMatch(/version `GLIBC_9\.99' not found/);
    expect(type(advised(message), inFolder('app')).stderr).toMatch(NOTHING_TO_COMPILE_WITH);
  });

  test('too old for the backend alone: the same', () => {
    const root = installedWithPrebuild();
    asksForLaterGlibc(join(root, PREBUILD, 'libmargincore_cpu.so'));
    for (const message of [
      computeOn('cpu', inFolder('app')),
      type('npx margincore doctor', inFolder('app')).stdout,
    ]) {
      expect(message).toMatch(/version `GLIBC_9\.99' not found/);
      expect(advised(message)).toBe('npx margincore build');
    }
  });

  test('of another version', () => {
    const root = installedWithPrebuild();
    const { version } = manifest();
    writeFileSync(join(root, 'package.json'), JSON.stringify({ ...manifest(), version: '9.9.9' }));
    const message = load('margincore', inFolder('app'));
    expect(message).toContain(`margincore.node: it is of version ${version}, this package of 9.9.9`);
    expect(advised(message)).toBe('npx margincore build');
  });

  test('without CUDA: the build with it, which says what is missing; not where a plugin was named', () => {
    installedWithPrebuild();
    const command = advised(computeOn('cuda', inFolder('app')));
    expect(command).toBe('npx margincore build --cuda');
    expect(type(command, inFolder('app')).stderr).toMatch(NOTHING_TO_COMPILE_WITH);
    const named = computeOn('cuda', inFolder('app'), { MARGINCORE_CUDA_LIBRARY: '/nowhere.so' });
    expect(named).toContain('there is no /nowhere.so');
    expect(named).not.toContain('Build it with');
  });
});

describe('in a checkout that is not built', () => {
  /** With a setup.sh that only says where it runs: what it does, `npm test` begins with. */
  function checkout(): string {
    const root = installPackage(inFolder('app'));
    cpSync(join(packageRoot(), 'package-lock.json'), join(root, 'package-lock.json'));
    mkdirSync(join(root, 'scripts'));
    writeFileSync(join(root, 'scripts/setup.sh'), 'echo "set up in $PWD"\n');
    return root;
  }

  test.each([
    ['at its root', '.', /^npm run setup$/],
    ['in a folder of it', 'dist/lib', /^npm run setup$/],
    ['outside', '../..', /^npm --prefix .* run setup$/],
  ])('%s: npm run setup, which works there', (_, folder, expected) => {
    const root = checkout();
    const command = advised(load(root, join(root, folder)));
    expect(command).toMatch(expected);
    expect(type(command, join(root, folder)).stdout).toContain(`set up in ${root}`);
  });
});

describe('what is advised elsewhere', () => {
  const root = packageRoot();
  const NOT_PRINTED = /^\s*(#|\/\/|\/?\*)/;
  const filesIn = (folder: string, names: RegExp) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)))
      .filter((file) => names.test(file) && !/(^|\/)(node_modules|vendor|results)\//.test(file));
  const readable = [
    ...['README.md', 'CMakeLists.txt', 'datasets/README.md', 'bench/README.md', 'test/README.md'],
    ...[
      ...filesIn('lib', /\.m?ts$|\.md$/),
      ...filesIn('native', /\.(cpp|h|cu|txt|md)$/),
      ...filesIn('docs', /\.md$/),
    ],
    ...[...filesIn('scripts', /./), ...filesIn('bench', /\.(mjs|py|sh)$/)],
  ];
  const printed = (file: string) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .filter((line) => file.endsWith('.md') || !NOT_PRINTED.test(line))
      .join('\n');

  /** Every match of the pattern's group in what is printed or documented, with the file. */
  const named = (pattern: RegExp, files = readable) =>
    files.flatMap((file) =>
      Array.from(printed(file).matchAll(pattern), ([, name]) => [name!, file] as const),
    );

  test('every npm script exists', () => {
    const names = named(/\bnpm (?:run )?(?:--\S+ )?((?<=run (?:--\S+ )?)[a-z:]+|test)\b/g);
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter(([name]) => !(name in manifest().scripts))).toEqual([]);
  });

  test('every script of the repository exists', () => {
    const names = named(/(?<![\w/])(scripts\/[a-z-]+(?:\.[a-z]+)?)/g);
    expect(names.length).toBeGreaterThan(20);
    const all = filesIn('scripts', /./);
    expect(names.filter(([name]) => !all.includes(name))).toEqual([]);
  });

  test('every command of the program exists', () => {
    const names = named(/npx margincore ([a-z]+(?:-[a-z]+)*)/g);
    expect(names.length).toBeGreaterThan(2);
    for (const name of new Set(names.map(([each]) => each))) {
      expect(type(`node dist/lib/cli/main.js ${name} --help`, root)).toMatchObject({ status: 0, stderr: '' });
    }
  });

  test("what an installed package prints names no script that it does not have, and no npm script of a checkout's", () => {
    const shipped = [...filesIn('lib', /\.m?ts$/), ...filesIn('native', /\.(cpp|h|cu|txt)$/)];
    const missing = named(/(scripts\/[a-z-]+\.[a-z]+)/g, shipped).filter(
      ([name]) => !manifest().files.includes(name),
    );
    expect(missing).toEqual([]);
    expect(named(/(npm run [a-z:]+|npm ci)/g, shipped).map(([, file]) => file)).toEqual([
      'lib/native/advice.ts',
    ]);
  });

  /** Every sentence that says how to mend an installation, and where it is tried. A new one belongs here, with its test. */
  const TRIED: readonly (readonly [file: string, words: string, by: string])[] = [
    ['lib/native/advice.ts', 'npm run setup', 'here; .ci/run'],
    ['lib/native/advice.ts', 'npm --prefix', 'here; scripts/check-package.sh'],
    ['lib/native/advice.ts', 'npx margincore', 'here; scripts/check-package.sh builds'],
    ['lib/native/advice.ts', ': `node', 'here'],
    [
      'lib/cli/doctor/buildTools.ts',
      'Install what these packages of Debian bring',
      'where there is no apt-get',
    ],
    ['lib/cli/doctor/buildTools.ts', 'apt-get update && apt-get install', 'scripts/check-package.sh'],
    [
      'lib/cli/doctor/machine.ts',
      'not installed (Debian: dataset-fashion-mnist)',
      'scripts/check-package.sh',
    ],
    [
      'lib/cli/doctor/launchers.ts',
      'no launcher (Debian:',
      'test/lib/distributed; scripts/setup.sh installs it',
    ],
    [
      'native/backend/cuda_libraries.cpp',
      'MARGINCORE_CUDA_PATH names another folder',
      'scripts/check-package.sh',
    ],
    ['native/cpu/CMakeLists.txt', 'CMAKE_PREFIX_PATH to where it is installed', 'scripts/check-package.sh'],
    ['native/cuda/CMakeLists.txt', 'scripts/cuda-sdk.sh', 'scripts/check-package.sh'],
    [
      'scripts/setup.sh',
      'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install',
      '.ci/run on a bare machine',
    ],
    ['scripts/prepack.sh', 'npm run prebuildify', 'scripts/check-package.sh'],
  ];
  const ADVICE =
    /npm (?:run|ci|--prefix)\b|npx |apt-get |\bInstall (?:it|what)|\(Debian|MARGINCORE_CUDA_PATH (?:names|to)|CMAKE_PREFIX_PATH to|bash '\$/;

  test.each(TRIED)('%s: %s', (file, words) => expect(printed(file)).toContain(words));

  test('no file says how to mend an installation that is not listed', () => {
    const files = [...filesIn('lib', /\.m?ts$/), ...filesIn('native', /\.(cpp|h|cu|txt)$/)];
    const advising = files.filter((file) => ADVICE.test(printed(file)));
    expect(advising.sort()).toEqual(
      [...new Set(TRIED.map(([file]) => file))].filter((file) => !file.startsWith('scripts/')).sort(),
    );
  });
});
