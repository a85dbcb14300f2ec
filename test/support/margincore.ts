import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program of this package, or of a copy of it elsewhere. Colours and debugging are off. */
export function margincore(
  args: readonly string[],
  options: { root?: string; debug?: boolean } = {},
): Promise<Finished> {
  return start(args, options).finished;
}

/** Starts the program, for tests that do something to it while it runs. */
export function start(
  args: readonly string[],
  { root = packageRoot(), debug = false }: { root?: string; debug?: boolean } = {},
): { process: ChildProcess; finished: Promise<Finished> } {
  const child = spawn(process.execPath, [join(root, 'dist/lib/cli/main.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined, MARGINCORE_DEBUG: debug ? '1' : '' },
  });
  return { process: child, finished: finish(child) };
}

async function finish(child: ChildProcess): Promise<Finished> {
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]!.setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, ...output };
}
