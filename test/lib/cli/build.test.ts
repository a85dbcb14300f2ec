/** `margincore build`, with tools that write down how they are called; scripts/check-package.sh has the real ones compile. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { copyPackage } from '../../support/installedPackage.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

/** Stands for a build: what `cmake --build` would leave is put there. */
const CMAKE = `#!/bin/sh
echo "$*" >>"$CALLS"
echo "CUDACXX=$CUDACXX" >>"$CALLS"
[ "$1$CMAKE_WAITS" = -S1 ] && { sleep 60 & echo "compiler $!"; wait; }
case "$1" in
  -S) [ -z "$CMAKE_FAILS" ] && mkdir -p "$4" && : >"$4/CMakeCache.txt" ;;
  --build) mkdir -p "$2/Release" && cp "$BUILT"/margincore.node "$BUILT"/libmargincore_cpu.so "$2/Release" ;;
  --version) echo 'cmake version 3.99' ;;
esac
`;
/** Takes every program, and finds every library. */
const COMPILER = `#!/bin/sh
case "$1" in
  --version) echo 'c++ 99' ;;
  -print-file-name=*) echo /usr/lib/libdnnl.so ;;
  *) ! grep -q "$LACKS" ;;
esac
`;

/** How the program is called, where its tools are those above. */
function program(args: readonly string[], variables: Record<string, string>) {
  const root = inFolder('package');
  const bin = inFolder('bin');
  if (!existsSync(root)) {
    copyPackage(root);
    symlinkSync(join(packageRoot(), 'node_modules'), join(root, 'node_modules'));
    mkdirSync(bin);
    for (const [name, text] of Object.entries({
      cmake: CMAKE,
      'c++': COMPILER,
      ninja: '#!/bin/sh\necho 1.99\n',
    }))
      writeFileSync(join(bin, name), text, { mode: 0o755 });
  }
  writeFileSync(inFolder('calls'), '');
  const env = {
    ...{ PATH: `${bin}:/bin`, CALLS: inFolder('calls'), BUILT: join(packageRoot(), 'build/Release') },
    LACKS: 'nothing',
    ...variables,
  };
  return { root, words: [join(root, 'dist/lib/cli/main.js'), 'build', ...args], env };
}

function build(args: readonly string[] = [], variables: Record<string, string> = {}) {
  const { root, words, env } = program(args, variables);
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', env });
  const calls = readFileSync(inFolder('calls'), 'utf8').split('\n');
  return {
    status,
    stdout,
    stderr,
    calls: calls.filter((call) => /^(-S|--build|CUDACXX=.)/.test(call)),
    root,
  };
}

test('configures and compiles the addon and its CPU backend, and ends with what the doctor says', () => {
  const { status, stdout, stderr, calls, root } = build();
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const folder = join(root, 'build');
  expect(calls).toEqual([
    `-S ${root} -B ${folder} -G Ninja -DCMAKE_BUILD_TYPE=Release -DMARGINCORE_CUDA=OFF`,
    expect.stringMatching(`^--build ${folder} --parallel \\d+ --target margincore margincore_cpu$`),
  ]);
  expect(stdout).toContain(join(folder, 'Release/libmargincore_cpu.so'));
  expect(stdout).toMatch(/margincore can train here\.\n$/);
});

test('a folder keeps its generator', () => {
  build();
  expect(build().calls[0]).not.toContain('Ninja');
});

test('--cuda: also that backend, with the libraries and the compiler of MARGINCORE_CUDA_PATH', () => {
  const nvcc = inFolder('sdk/nvidia/cu13/bin/nvcc');
  mkdirSync(join(nvcc, '..'), { recursive: true });
  writeFileSync(nvcc, '');
  const { calls } = build(['--cuda'], { MARGINCORE_CUDA_PATH: inFolder('sdk') });
  expect(calls[0]).toMatch(/-DMARGINCORE_CUDA=ON -DMARGINCORE_CUDA_SDK=.*\/sdk$/);
  expect(calls.filter((call) => call.startsWith('CUDACXX'))).toEqual([`CUDACXX=${nvcc}`, `CUDACXX=${nvcc}`]);
  expect(calls).toContainEqual(expect.stringMatching(/--target margincore margincore_cpu margincore_cuda$/));
});

test('where CMake fails nothing else is tried', () => {
  const { status, stdout, stderr, calls } = build([], { CMAKE_FAILS: '1' });
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toContain('cmake ended with status 1: what it said is above [BUILD_FAILED]');
  expect(calls).toHaveLength(1);
});

test.each([
  ['SIGINT', 130, 'interrupted'],
  ['SIGTERM', 143, 'terminated'],
] as const)('%s ends what CMake has started, too', async (signal, exitStatus, word) => {
  const { words, env } = program([], { CMAKE_WAITS: '1' });
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 30_000 });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const [line] = await once(child.stdout, 'data');
  const compiler = Number(/^compiler (\d+)/.exec(String(line))![1]);
  expect(isRunning(compiler)).toBe(true);
  child.kill(signal);
  const [status] = await once(child, 'close');
  expect({ status, said }).toEqual({ status: exitStatus, said: `margincore: ${word}\n` });
  expect(isRunning(compiler)).toBe(false);
});

/** Not merely waiting for somebody to ask how it ended. */
function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  return existsSync(file) && !/\) Z /.test(readFileSync(file, 'utf8'));
}

test('oneDNN where CMAKE_PREFIX_PATH says', () => {
  mkdirSync(inFolder('onednn/include'), { recursive: true });
  writeFileSync(inFolder('onednn/include/dnnl.hpp'), '');
  const without = { LACKS: 'dnnl' };
  expect(build([], without).stderr).toContain('To compile there is no oneDNN [');
  expect(build([], { ...without, CMAKE_PREFIX_PATH: `/nowhere:${inFolder('onednn')}` })).toMatchObject({
    status: 0,
  });
});
