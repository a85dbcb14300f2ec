import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { MarginCoreError } from '../../base/errors.js';
import { packageRoot } from '../../base/packageRoot.js';
import { programFile } from '../../native/advice.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { adviceToInstall, findBuildTools } from '../doctor/buildTools.js';
import { interruptible } from '../interrupt.js';

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Options',
    flags: [
      {
        name: 'cuda',
        to: 'cuda',
        help: 'the CUDA backend too: needs nvcc 13, cuBLAS 13 and cuDNN 9, but no card',
      },
    ],
  },
];

export const buildCommand: Command = {
  summary: 'compile the native addon from the sources in this package',
  help: () =>
    [
      'usage: margincore build [options]',
      '',
      `Compiles the addon into ${join(packageRoot(), 'build/Release')}, from where it is loaded from`,
      'then on. For machines that the compiled files in the package do not fit: those need no build.',
      describeFlags(FLAGS),
      '',
      'MARGINCORE_CUDA_PATH   a folder with cuBLAS and cuDNN, for building and for running',
      'CUDAARCHS              compute capabilities to compile for, 90-real for example (default: 7.5 and all later ones)',
    ].join('\n'),

  async run(argv) {
    const { cuda = false } = parseFlags(FLAGS, argv) as { cuda?: boolean };
    const missing = findBuildTools().filter(({ found }) => !found);
    if (missing.length > 0)
      throw failure(
        `To compile there is no ${missing.map(({ name }) => name).join(', no ')}\n${adviceToInstall(missing)}`,
      );
    await compile(cuda);
    const { status } = await run(process.execPath, [programFile(), 'doctor'], process.env);
    return status ?? 1;
  },
};

async function compile(cuda: boolean): Promise<void> {
  const root = packageRoot();
  const folder = join(root, 'build');
  const sdk = process.env.MARGINCORE_CUDA_PATH ?? '';
  const options = cuda ? ['-DMARGINCORE_CUDA=ON', `-DMARGINCORE_CUDA_SDK=${sdk}`] : ['-DMARGINCORE_CUDA=OFF'];
  const targets = ['margincore', 'margincore_cpu', ...(cuda ? ['margincore_cuda'] : [])];
  const env = {
    ...process.env,
    ...(cuda && cudaCompiler(sdk)),
    PATH: [process.env.PATH, dirname(process.execPath)].join(delimiter), // CMake asks some `node` for its headers
  };
  await cmake(
    ['-S', root, '-B', folder, ...generator(folder), '-DCMAKE_BUILD_TYPE=Release', ...options],
    env,
  );
  await cmake(['--build', folder, '--parallel', String(availableParallelism()), '--target', ...targets], env);
}

/** A folder keeps the generator that it was made with. */
function generator(folder: string): string[] {
  const isNew = !existsSync(join(folder, 'CMakeCache.txt'));
  return isNew && isThere('ninja') ? ['-G', 'Ninja'] : [];
}

/** nvcc where it is installed without being on the path. */
function cudaCompiler(sdk: string): { CUDACXX?: string } {
  const places = [join(sdk, 'nvidia/cu13/bin/nvcc'), '/usr/local/cuda/bin/nvcc'];
  const nvcc = places.find((file) => existsSync(file));
  const isKnown = process.env.CUDACXX !== undefined || isThere('nvcc');
  return nvcc === undefined || isKnown ? {} : { CUDACXX: nvcc };
}

/** Runs a program to its end. What ends this one ends it first, with all that it has started. */
async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  return interruptible(async (interrupt) => {
    // Its own group of processes: CMake would leave the compilers behind.
    const child = spawn(program, args, { stdio: 'inherit', env, detached: true });
    interrupt.addEventListener('abort', () => process.kill(-child.pid!, 'SIGTERM'));
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    interrupt.throwIfAborted();
    return { status, signal };
  });
}

async function cmake(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { status, signal } = await run('cmake', args, env);
  if (status !== 0) throw failure(`cmake ended with ${signal ?? `status ${status}`}: what it said is above`);
}

const isThere = (program: string) => spawnSync(program, ['--version']).status === 0;

const failure = (message: string) => new MarginCoreError('BUILD_FAILED', message);
