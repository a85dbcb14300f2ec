/** What the shell and the system let a process have, in processes of their own. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';

const INDEX = JSON.stringify(join(packageRoot(), 'dist/lib/index.js'));

/** What a script prints, as JSON, run by a command such as taskset. */
function printed(command: readonly string[], script: string, env: NodeJS.ProcessEnv = {}): unknown {
  const [file, ...args] = [...command, process.execPath, '-e', script];
  const environment = { ...process.env, NODE_NO_WARNINGS: '1', OMP_NUM_THREADS: undefined, ...env };
  const { stdout, stderr, error } = spawnSync(file!, args, { encoding: 'utf8', env: environment });
  if (error) throw error;
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

describe('threads, where none are asked for', () => {
  const threads = `console.log(require(${INDEX}).backends().find(({ name }) => name === 'cpu').defaultThreads)`;

  test('are those of the processors in the affinity mask', () => {
    expect(printed(['taskset', '-c', '0'], threads)).toBe(1);
  });

  test('are no more than OMP_NUM_THREADS says', () => {
    expect(printed([], threads, { OMP_NUM_THREADS: '1' })).toBe(1);
    const free = printed([], threads);
    expect(free).toBeGreaterThan(0);
    expect(free).toBeLessThanOrEqual(availableParallelism());
    expect(printed([], threads, { OMP_NUM_THREADS: '4096' })).toBe(free);
  });

  test.each([
    ['OMP_PROC_BIND', 'true'],
    ['OMP_PLACES', 'cores'],
  ])('are as many where %s pins the thread that loads OpenMP', (variable, value) => {
    expect(printed([], threads, { [variable]: value })).toBe(printed([], threads));
  });

  test('do not count where threads are given', () => {
    const script = `
      const { train, linear, sequential } = require(${INDEX});
      const images = { data: new Uint8Array(4), shape: [4, 1, 1, 1] };
      const model = sequential([linear({ outFeatures: 2 })]);
      const options = { data: { images, labels: [0, 1, 0, 1] }, model, epochs: 1, device: 'cpu', progress: false };
      train({ ...options, threads: 3 }).then(({ environment, model }) => {
        console.log(environment.threads);
        model.dispose();
      });`;
    expect(printed(['taskset', '-c', '0'], script, { OMP_NUM_THREADS: '1' })).toBe(3);
  });
});

describe('memory', () => {
  /** The error's code and message of a run that needs so many classes of 512. */
  const refused = (classes: number) => `
    const { train, linear, sequential } = require(${INDEX});
    const images = { data: new Uint8Array(4), shape: [4, 1, 1, 1] };
    const model = sequential([linear({ outFeatures: 512 })]);
    const data = { images, labels: [0, 1, 0, ${classes - 1}] };
    train({ data, model, epochs: 1, device: 'cpu', progress: false, threads: 1 }).catch(({ code, message }) => {
      console.log(JSON.stringify({ code, message }));
    });`;

  test.each([
    ['address space', '--as', 'ulimit -v'],
    ['data', '--data', 'ulimit -d'],
  ])('beyond the limit on %s is refused, and the limit named', (name, option, shell) => {
    const limit = 2 * 2 ** 30;
    const error = printed(['prlimit', `${option}=${limit}`], refused(300_000));
    expect(error).toMatchObject({
      code: 'OUT_OF_MEMORY',
      message: expect.stringContaining(`(by the process's limit on ${name} (${shell})) are free on cpu`),
    });
  });
});
