import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import type { MachineReport } from '../../../lib/cli/doctor/machine.js';
import { tryTraining } from '../../../lib/cli/doctor/trial.js';
import { backends } from '../../../lib/index.js';
import { margincore } from '../../support/margincore.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

test('where the addon loads: what it is and what it computes with', async () => {
  const { status, stdout, stderr } = await margincore(['doctor', '--json', '-']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({
    ready: true,
    node: { version: process.version, abi: process.versions.modules },
    platform: { os: `${process.platform} ${process.arch}` },
    addon: { loaded: true, file: expect.stringMatching(/margincore\.node$/) },
    backends: expect.arrayContaining([expect.objectContaining({ name: 'cpu', available: true, reason: '' })]),
    launchers: [
      { engine: 'openmpi', found: true, detail: expect.stringMatching(/^mpirun.*, Open MPI \d/) },
      { engine: 'mpich', found: true, detail: expect.stringMatching(/^mpi.*, MPICH \d/) },
    ],
    datasets: expect.arrayContaining([
      { name: 'fashion-mnist-sample', found: true, detail: '6000 training and 1000 test images' },
    ]),
  });
});

test('the same for people', async () => {
  const { status, stdout } = await margincore(['doctor']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^✓ addon /m);
  expect(stdout).toMatch(/^✓ backend cpu +oneDNN /m);
  expect(stdout).toMatch(/^✓ openmpi +mpirun/m);
  expect(stdout).toMatch(/margincore can train here\.\n$/);
});

test('what this process may have of the machine', async () => {
  const { stdout } = await margincore(['doctor', '--json', '-']);
  const { limits } = JSON.parse(stdout) as MachineReport;
  const free = Number(/^MemAvailable: +(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]) * 1024;
  expect(limits!.freeBytes).toBeGreaterThan(1e8);
  expect(limits!.freeBytes).toBeLessThan(1.5 * free);
  expect(limits!.processors).toBe(availableParallelism());
  expect(limits!.cores).toBeGreaterThanOrEqual(1);
  const { stdout: text } = await margincore(['doctor']);
  expect(text).toMatch(/^Memory +\d+\.\d GiB are free/m);
  expect(text).toMatch(/^Processors +\d+ in the affinity mask, \d+ cores to be used$/m);
});

describe('--train', () => {
  test('ten steps on each backend, and how fast', async () => {
    const { status, stdout } = await margincore(['doctor', '--train', '--json', '-']);
    expect(status).toBe(0);
    const { trials } = JSON.parse(stdout) as MachineReport;
    expect(trials![0]).toEqual({
      ...{ backend: 'cpu', passed: true, losses: expect.any(Array) },
      millisecondsPerStep: expect.any(Number),
    });
    const { losses } = trials![0]!;
    expect(losses).toHaveLength(10);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
  });

  test('a backend that does not train is a failure, by its reason', async () => {
    const gone = { ...backends()[0]!, name: 'gone', available: true };
    const cpu = backends().find(({ name }) => name === 'cpu')!;
    const [found, other] = await tryTraining([gone, cpu]);
    expect(found).toMatchObject({ backend: 'cpu', passed: true });
    expect(other).toMatchObject({ backend: 'gone', passed: false, error: expect.stringContaining('gone') });
  });
});

/** The program as it is, without a built addon and without data. */
function bareCopy(): string {
  const root = packageRoot();
  cpSync(join(root, 'dist/lib'), inFolder('dist/lib'), { recursive: true });
  cpSync(join(root, 'package.json'), inFolder('package.json'));
  symlinkSync(join(root, 'node_modules'), inFolder('node_modules'));
  return inFolder();
}

describe('where the addon does not load', () => {
  test('every file tried, and the command that builds it', async () => {
    const root = bareCopy();
    const { status, stdout, stderr } = await margincore(['doctor'], { root });
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    for (const folder of ['prebuilds', 'build/Release']) expect(stdout).toContain(join(root, folder));
    expect(stdout).toMatch(/✗ fashion-mnist-sample .*datasets\/fashion-mnist-sample/);
    expect(stdout).toContain(`Build it with: node ${join(root, 'dist/lib/cli/main.js')} build`);
  });

  test('the same as JSON, in a file', async () => {
    const { status } = await margincore(['doctor', '--json', inFolder('report.json')], { root: bareCopy() });
    expect(status).toBe(1);
    expect(JSON.parse(readFileSync(inFolder('report.json'), 'utf8'))).toMatchObject({
      ready: false,
      addon: { loaded: false, failures: [{ reason: 'no such file' }, { reason: 'no such file' }] },
      backends: [],
    });
  });
});

describe('where there is a prebuild and a build', () => {
  const PREBUILD = `prebuilds/${process.platform}-${process.arch}`;

  /** A package with both. */
  function bothCopies(): string {
    const root = bareCopy();
    for (const folder of [PREBUILD, 'build/Release'])
      for (const file of ['margincore.node', 'libmargincore_cpu.so'])
        cpSync(join(packageRoot(), 'build/Release', file), join(root, folder, file));
    return root;
  }

  test('the build is taken: a prebuild in a checkout may be older', async () => {
    const root = bothCopies();
    const { status, stdout, stderr } = await margincore(['doctor'], { root });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    for (const file of ['margincore.node', 'libmargincore_cpu.so'])
      expect(stdout).toContain(`\n${' '.repeat(24)}${join(root, 'build/Release', file)}\n`);
    expect(stdout).not.toContain(PREBUILD);
  });

  test('a build that does not load is said, and the prebuild taken', async () => {
    const root = bothCopies();
    writeFileSync(join(root, 'build/Release/margincore.node'), 'not a library');
    const { status, stdout, stderr } = await margincore(['doctor'], { root });
    expect(status).toBe(0);
    expect(stdout).toContain(join(root, PREBUILD, 'margincore.node'));
    expect(stderr).toContain('[MARGINCORE_BROKEN_BUILD] MarginCoreWarning');
    expect(stderr).toContain(`${join(root, 'build/Release/margincore.node')} does not load (`);
    expect(stderr).toContain('[MARGINCORE_BROKEN_BUILD] MarginCoreWarning: ');
    expect(stderr).toContain(`${join(root, PREBUILD, 'margincore.node')} is used`);
  });
});
