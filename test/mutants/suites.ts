/** Runs tests up to the first that fails, and says which that was. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export interface Verdict {
  /** The first test that failed, or what else went wrong; undefined where all passed. */
  readonly failed?: string;
  readonly seconds: number;
}

/** Tests that are run together. */
export interface Suite {
  readonly name: string;
  /** Whether it has this test of a fault's row. */
  has(test: string): boolean;
  /** @param only The part of them to run: see `Fault.tests`. Default: all. */
  run(environment: NodeJS.ProcessEnv, limit: number, only?: readonly string[]): Promise<Verdict>;
}

const isJest = (test: string) => /^(lib|parity|docs)\b/.test(test);

/** @param folder Of the tree @param paths Below dist/test @param environment For all of its runs */
export function jest(folder: string, paths: readonly string[], environment: NodeJS.ProcessEnv = {}): Suite {
  return {
    name: environment.MARGINCORE_TESTED_BACKENDS ? 'Jest, simulated device' : 'Jest',
    has: isJest,
    async run(more, limit, only = paths) {
      const tests = only.map((path) => `dist/test/${path}`);
      const args = ['node_modules/jest/bin/jest.js', '--bail', ...tests];
      const end = await runProgram([process.execPath, ...args], folder, { ...environment, ...more }, limit);
      return verdictOf(end, firstFailureOf(end.output));
    },
  };
}

/** E.g. 'lib/model/model.test.js: dispose frees memory'. With --bail Jest writes no report. */
function firstFailureOf(output: string): string | undefined {
  const file = output.match(/^FAIL dist\/test\/(\S+)/m)?.[1];
  const test = output.match(/^ +● (.+)$/m)?.[1];
  return file && `${file}: ${test}`;
}

/** A program of doctest, as `ctest` runs it. */
interface CTest {
  readonly name: string;
  readonly command: readonly string[];
  readonly properties: readonly { readonly name: string; readonly value: unknown }[];
}

/**
 * Whether a program whose own arguments choose files runs this one: what a fault's row names replaces the choice, and
 * under ThreadSanitizer, say, other files would take hours.
 */
export function runsFile([, ...args]: readonly string[], test: string): boolean {
  const chosen = args.find((arg) => arg.startsWith('--source-file='))?.slice('--source-file='.length);
  const patterns = chosen?.split(',').map((pattern) => pattern.replaceAll('.', '\\.').replaceAll('*', '.*'));
  return patterns?.some((pattern) => new RegExp(`^${pattern}$`).test(`/${test}.cpp`)) ?? true;
}

/** The programs of C++ tests that a build has, by the names that CMake gives them. Says which are not built. */
export function doctests(folder: string): Suite[] {
  const args = ['--test-dir', join(folder, 'build'), '--show-only=json-v1'];
  const { tests } = JSON.parse(execFileSync('ctest', args, { encoding: 'utf8' })) as { tests: CTest[] };
  const isBuilt = ({ command }: CTest) => command !== undefined && existsSync(command[0]!);
  const built = tests.filter(isBuilt);
  const absent = tests.filter((test) => !isBuilt(test)).map(({ name }) => name);
  if (absent.length > 0) console.log(`not built, and so not run: ${absent.join(', ')}`);
  return built.map(({ name, command, properties }) => {
    const given = properties.find((property) => property.name === 'ENVIRONMENT')?.value as
      | string[]
      | undefined;
    const environment = Object.fromEntries((given ?? []).map((line) => line.split(/=(.*)/s)));
    return {
      name,
      has: (test) => !isJest(test) && runsFile(command, test),
      async run(more, limit, only) {
        const files = only?.map((file) => `*${file}.*`).join(',');
        const args = ['--abort-after=1', ...(files === undefined ? [] : [`--source-file=${files}`])];
        const end = await runProgram([...command, ...args], folder, { ...environment, ...more }, limit);
        return verdictOf(end, end.output.match(/^TEST CASE: +(.+)$/m)?.[1]);
      },
    };
  });
}

interface End {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly seconds: number;
  readonly late: boolean;
}

function verdictOf({ status, signal, seconds, late }: End, firstFailure: string | undefined): Verdict {
  if (status === 0) return { seconds };
  if (late) return { failed: `no end within the limit, after ${seconds.toFixed(0)} s`, seconds };
  return { failed: firstFailure ?? `the program ended with ${signal ?? `status ${status}`}`, seconds };
}

/** In a group of its own, so that whatever it starts ends with it. @param limit Seconds */
function runProgram(
  [command, ...args]: readonly string[],
  cwd: string,
  environment: NodeJS.ProcessEnv,
  limit: number,
): Promise<End> {
  const started = performance.now();
  const child = spawn(command!, args, {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const stop = () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL');
  };
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop();
  }, limit * 1000);
  process.once('exit', stop);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      process.off('exit', stop);
      resolve({ status, signal, output, seconds: (performance.now() - started) / 1000, late });
    });
  });
}
