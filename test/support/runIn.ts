import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Finished } from './margincore.js';

/**
 * Runs a program in a folder, as a user types it there.
 * @param options.seconds After which it is killed: no test leaves a process behind.
 * @param options.onLine Told of each line of its standard output.
 */
export async function runIn(
  folder: string,
  [command, ...args]: readonly string[],
  {
    seconds = 120,
    environment = {},
    onLine,
  }: {
    seconds?: number;
    environment?: NodeJS.ProcessEnv;
    onLine?: (line: string, kill: (signal: NodeJS.Signals) => void) => void;
  } = {},
): Promise<Finished> {
  const child = spawn(command!, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined, ...environment },
    timeout: 1000 * seconds,
    killSignal: 'SIGKILL',
  });
  const output = { stdout: '', stderr: '' };
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    output.stdout += `${line}\n`;
    onLine?.(line, (signal) => child.kill(signal));
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, ...output };
}
