import { adviceToBuild } from '../../native/advice.js';
import type { BackendInfo } from '../../native/backends.js';
import type { NativeLimits } from '../../native/contract.js';
import { count } from '../../report/format.js';
import { adviceToInstall } from './buildTools.js';
import type { AddonState, MachineReport } from './machine.js';
import type { Trial } from './trial.js';

/** The report for people, with what to do at its end. */
export function describeMachine(report: MachineReport): string {
  const { margincore, node, platform, limits, addon, backends, launchers, nccl, buildTools, datasets } =
    report;
  return [
    `margincore ${margincore}`,
    line('Node', `${node.version}, ABI ${node.abi}, Node-API ${node.nodeApi}`),
    line('Machine', `${platform.os}, ${platform.cpu}, ${platform.logicalCores} logical cores`),
    ...(limits ? describeLimits(limits) : []),
    '',
    ...describeAddon(addon),
    ...backends.map(describeBackend),
    '',
    'To train with several processes (--distributed):',
    ...launchers.map(({ engine, found, detail }) => mark(found, engine, detail)),
    mark(nccl.found, 'nccl', `${nccl.detail}${nccl.found ? '' : ' (of GPUs alone)'}`),
    '',
    'To build from source:',
    ...buildTools.map(({ name, found, detail }) => mark(found, name, found ? detail : 'not found')),
    '',
    'Data sets:',
    ...datasets.map(({ name, found, detail }) => mark(found, name, detail)),
    '',
    ...describeTrials(report.trials),
    verdict(report),
  ].join('\n');
}

const LABEL_WIDTH = 24;
const INDENT = ' '.repeat(LABEL_WIDTH);

function line(label: string, text: string): string {
  return `${label.padEnd(LABEL_WIDTH)}${text}`;
}

function mark(good: boolean, label: string, text: string): string {
  return line(`${good ? '✓' : '✗'} ${label}`, text);
}

function describeLimits({ freeBytes, memoryLimit, processors, cores }: NativeLimits): string[] {
  return [
    line('Memory', describeMemory(freeBytes, memoryLimit)),
    line('Processors', `${processors} in the affinity mask, ${cores} cores to be used`),
  ];
}

/** Where no file of the system says how much is free, it is more than there is anywhere. */
function describeMemory(bytes: number, limit: string): string {
  if (bytes > 2 ** 60) return 'how much is free is not known';
  return `${(bytes / 2 ** 30).toFixed(1)} GiB are free${limit && `, by ${limit}`}`;
}

function describeTrials(trials: readonly Trial[] | undefined): string[] {
  if (trials === undefined) return [];
  return ['Ten steps of training:', ...trials.map(describeTrial), ''];
}

function describeTrial({ backend, passed, losses, millisecondsPerStep, difference, error }: Trial): string {
  if (error !== undefined) return mark(passed, backend, error);
  const [first, last] = [losses[0]!, losses.at(-1)!].map((loss) => loss.toFixed(3));
  const beside =
    difference === undefined ? '' : `, ${(100 * difference).toPrecision(2)} % from the first's at most`;
  return mark(
    passed,
    backend,
    `loss ${first} to ${last}${beside}, ${millisecondsPerStep!.toPrecision(3)} ms a step`,
  );
}

function describeAddon({ loaded, version, file, failures = [] }: AddonState): string[] {
  if (loaded) return [mark(true, 'addon', `${version}\n${INDENT}${file ?? ''}`)];
  return failures.map(({ file, reason }) => mark(false, 'addon', `${file}\n${INDENT}${reason}`));
}

function describeBackend(backend: BackendInfo): string {
  const { name, available, reason, version, description, defaultThreads, path, libraries } = backend;
  const threads =
    defaultThreads > 0
      ? `, ${count(defaultThreads)} threads (physical cores, within affinity, quota and OMP_NUM_THREADS)`
      : '';
  const text = available ? `${version}, ${description}${threads}` : reason;
  const places = [path, libraries].filter((place) => !text.includes(place));
  return mark(available, `backend ${name}`, [text, ...places].join(`\n${INDENT}`));
}

function verdict({ ready, addon, buildTools, trials = [] }: MachineReport): string {
  const unlike = trials.filter(({ passed }) => !passed).map(({ backend }) => backend);
  if (unlike.length > 0) return `Training did not go well on: ${unlike.join(', ')}.`;
  if (ready) return 'margincore can train here.';
  const missing = buildTools.filter(({ found }) => !found);
  return [
    addon.loaded ? 'No backend can train here: the reasons are above.' : 'The addon does not load.',
    adviceToBuild(),
    ...(missing.length > 0 ? [`What that needs is not all there. ${adviceToInstall(missing)}`] : []),
  ].join('\n');
}
