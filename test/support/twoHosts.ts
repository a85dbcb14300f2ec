/** Two hosts of this machine, with cables that can be cut. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { LAUNCHERS, type Launcher, type Started, start } from './ranks.js';
import { testWhere } from './skip.js';

/** What a script that runs on one of them calls: `cut`. */
export const TWO_HOSTS = join(packageRoot(), 'test/support/two-hosts.sh');

const probe = spawnSync(TWO_HOSTS, ['run', 'true'], { encoding: 'utf8' });

/** A test that needs them. */
export const testOnTwoHosts = testWhere(
  probe.status === 0,
  `no network namespaces of its own: ${probe.stderr?.trim().split('\n').at(-1)}`,
);

/** A process on each. */
const ACROSS: Readonly<Record<Launcher, readonly string[]>> = {
  openmpi: ['--mca', 'plm_rsh_agent', TWO_HOSTS, '--host', 'h1,h2'],
  mpich: ['-launcher', 'rsh', '-launcher-exec', TWO_HOSTS, '-hosts', 'h1,h2', '-ppn', '1'],
};

/** Below MPICH, memory of what is one machine after all would be shared between the hosts. */
const BY_CABLE = { UCX_TLS: 'tcp,self' };

/**
 * For the tests of the calling file, after each of which what it has started is ended, on both hosts. Returns what starts two
 * ranks: 0 on h1, where the launcher is, 1 on h2. Who kills the child ends all that runs on either.
 */
export function twoHosts(): (launcher: Launcher, file: string, limit?: number) => Started {
  const started: Started[] = [];
  afterEach(async () => {
    for (const { child } of started) child.kill('SIGKILL');
    await Promise.all(started.splice(0).map(({ ended }) => ended));
  });
  return (launcher, file, limit) => {
    const launch = [...LAUNCHERS[launcher], ...ACROSS[launcher], '-n', '2'];
    const run = start([TWO_HOSTS, 'run', ...launch, process.execPath, file], limit, BY_CABLE);
    started.push(run);
    return run;
  };
}
