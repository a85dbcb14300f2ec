import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { packageRoot } from '../../lib/base/packageRoot.js';

export interface Ended {
  readonly status: number | null;
  /** What ended it, where it did not end by itself */
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program, given as text, in a Node process of its own, at the root of the package: what was built is
 * `require('./dist/lib/index.js')`. Warnings are off: what is said of a run's options is not looked for here.
 * @param onLine Told of each line of its standard output.
 * @param timeout Milliseconds after which it is killed: no test leaves a process behind.
 */
export async function nodeProgram(
  text: string,
  {
    flags = [],
    environment = {},
    onLine,
    timeout = 50_000,
  }: {
    flags?: string[];
    environment?: NodeJS.ProcessEnv;
    onLine?: (line: string, kill: (signal: NodeJS.Signals) => void) => void;
    timeout?: number;
  } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [...flags, '-e', text], {
    cwd: packageRoot(),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_NO_WARNINGS: '1', ...environment },
    timeout,
    killSignal: 'SIGKILL',
  });
  const output = { stdout: '', stderr: '' };
  child.stderr.setEncoding('utf8').on('data', (more: string) => {
    output.stderr += more;
  });
  let told = 0;
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    output.stdout += more;
    const lines = output.stdout.split('\n').slice(0, -1);
    for (const line of lines.slice(told)) onLine?.(line, (signal) => child.kill(signal));
    told = lines.length;
  });
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { status, signal, ...output };
}
