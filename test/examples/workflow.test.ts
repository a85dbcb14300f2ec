/** examples/github-actions/prebuilds.yml, as far as can be said where it is not run. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { manifest } from '../support/installedPackage.js';
import { unknownCommands } from '../support/namedCommands.js';

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Record<string, unknown>;
}

interface Job {
  readonly 'runs-on': string;
  readonly container?: string;
  readonly needs?: string;
  readonly strategy?: { readonly matrix: { readonly node: readonly number[] } };
  readonly steps: readonly Step[];
}

// Jest brings it.
const { load } = createRequire(join(packageRoot(), 'package.json'))('js-yaml');
const text = readFileSync(join(packageRoot(), 'examples/github-actions/prebuilds.yml'), 'utf8');
const workflow = load(text) as { on: object; permissions: object; jobs: Record<string, Job> };
const jobs = workflow.jobs as { package: Job; install: Job };

const runs = ({ steps }: Job) => steps.flatMap(({ run }) => run ?? []);
const usesOf = ({ steps }: Job, action: string) => steps.find(({ uses }) => uses?.startsWith(`${action}@`));

test('each step either uses an action or runs what a shell takes', async () => {
  for (const { uses, run } of Object.values(workflow.jobs).flatMap(({ steps }) => steps)) {
    if (run === undefined) expect(uses).toMatch(/^actions\/[a-z-]+@v\d+$/);
    else expect([run, uses, spawnSync('bash', ['-n', '-c', run]).status]).toEqual([run, undefined, 0]);
  }
  expect(await unknownCommands(text)).toEqual([]);
});

test('the package is built by what needs no installer, tested, and only then packed', () => {
  expect(runs(jobs.package).slice(1)).toEqual([
    'bash scripts/cuda-sdk.sh',
    'npm test',
    'bash scripts/check-cuda.sh',
    'npm run prebuildify',
    'npm pack',
  ]);
  // scripts/cuda-sdk.sh asks Python for pip.
  expect(runs(jobs.package)[0]).toMatch(/apt-get install .*python3-pip/);
});

test('what is handed over is what npm pack makes, from job to job', () => {
  const { path, name, ...rest } = usesOf(jobs.package, 'actions/upload-artifact')!.with as Record<
    string,
    string
  >;
  const packed = `margincore-${manifest().version}.tgz`;
  expect(packed).toMatch(new RegExp(`^${path!.replaceAll('.', '\\.').replace('*', '.*')}$`));
  expect(rest).toEqual({ 'if-no-files-found': 'error' });
  expect(jobs.install.needs).toBe('package');
  expect(usesOf(jobs.install, 'actions/download-artifact')!.with).toEqual({ name });
});

test('it is installed without scripts under every Node that is supported, and trains', () => {
  const nodes = jobs.install.strategy!.matrix.node;
  expect(`>=${Math.min(...nodes)}`).toBe(manifest().engines.node);
  expect(nodes).toHaveLength(3);
  const [install, train] = runs(jobs.install);
  expect(install).toMatch(/npm install --ignore-scripts \S*margincore-\*\.tgz/);
  const [folder, program] = [/^cd (\S+)$/m.exec(train!)![1]!, /^node (\S+)$/m.exec(train!)![1]!];
  expect(existsSync(join(packageRoot(), folder, program))).toBe(true);
  expect(usesOf(jobs.install, 'actions/checkout')!.with).toEqual({ 'sparse-checkout': 'examples' });
});
