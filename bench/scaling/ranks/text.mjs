// The tables for reading.
import { sourcesLine } from '../../shared/sources.mjs';
import { DISTURBED_ABOVE } from '../../shared/undisturbed.mjs';

const TITLES = {
  'seed-cnn': 'Seed CNN with ArcFace, 28×28, 128 images per thread',
  resnet18: 'ResNet-18 with ArcFace, 32×32, 32 images per thread',
};

const digits = (value) => (value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3));
const percent = (part) => `${(100 * part).toFixed(1)} %`;
const times = (value) => `${value.toFixed(2)}×`;
const mib = (bytes) => `${Math.round(bytes / 2 ** 20).toLocaleString('en-US')} MiB`;
const ms = (seconds) => `${digits(1000 * seconds)} ms`;
const range = ({ min, max }, format) => `${format(min)} – ${format(max)}`;
const marked = (disturbed, text) => `${disturbed ? '(disturbed) ' : ''}${text}`;

/** Words in the first column. */
const table = (header, rows) =>
  [header, header.map((_, column) => (column === 0 ? '---' : '---:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');

function networkTable({ id, rows, processesOverThreads }, cores) {
  const lines = rows.map(({ name, ranks, batch, rate, beyondCores, efficiency, ratio, disturbed }) => [
    `${name}${beyondCores ? ` (more than the cores, ${cores})` : ''}`,
    String(batch),
    marked(disturbed, digits(rate.median)),
    range(rate, digits),
    digits(rate.median / ranks),
    efficiency ? percent(efficiency.median) : '',
    ratio ? `${times(ratio.median)} (${range(ratio, times)})` : '',
  ]);
  const header = ['', 'batch', 'images/s', 'min – max', 'per process', 'efficiency', 'margincore / PyTorch'];
  return [`## ${TITLES[id]}`, table(header, lines), ...[waysLine(processesOverThreads)].filter(Boolean)];
}

const waysLine = (ratio) =>
  ratio &&
  `Two processes with a thread each do ${times(ratio.median)} the images/s of one process with two threads (${range(ratio, times)}).`;

function headTable({ numClasses, rows }) {
  const lines = rows.map(({ name, seconds, peakTraining, peakEnd, disturbed }) => [
    name,
    marked(disturbed, ms(seconds.median)),
    range(seconds, ms),
    mib(peakTraining),
    mib(peakEnd),
  ]);
  return [
    `## Head of ${numClasses.toLocaleString('en-US')} classes: ArcFace, embedding 512, batch 128 in all, Adam`,
    'Before it one linear layer on images of 8×8. Peak resident memory is that of the process that takes most; with a sharded head each process gets all class weights when training has ended.',
    table(['', 'a step', 'min – max', 'peak while training', 'peak, end included'], lines),
  ];
}

const READING = [
  'The batch grows with processes and threads. Efficiency: images/s over those of one process with one thread of the same contender (margincore: not distributed; PyTorch: in DDP as well), divided by the cores that can be in use.',
  'PyTorch: DistributedDataParallel over gloo, network and head in one module, eager, channels_last, gradients as views of the buckets, malloc tuned, the faster of fused and foreach Adam. Batch norm sees the images of one process, in both.',
  'Time of whole steps alone, after an epoch of warm-up.',
];

const filled = ({ networks }) => networks.filter(({ rows }) => rows.length > 0);

function remarks({ machine, versions, settings, skipped, failures, disturbed }) {
  const { rounds, quick } = settings;
  const counted = (count, what) => `${count} ${what}${count === 1 ? '' : 's'}`;
  return [
    [
      `${machine.cpu}, ${counted(machine.cores, 'core')}, ${machine.memoryGiB} GiB`,
      `${counted(rounds, 'round')} in turn, medians, ratios within a round`,
      ...(quick ? ['shortened, which says nothing of speed'] : []),
      [`Node ${machine.node.slice(1)}`, ...versions].join(', '),
    ].join('; '),
    ...skippedLines(skipped),
    ...failures.map(({ round, what, reason }) => `Failed in round ${round}: ${what}: ${reason}`),
    ...(disturbed > 0 ? [warning(disturbed)] : []),
    `Rows skipped: ${skipped.length}. Measurements failed: ${failures.length}.`,
  ];
}

const warning = (count) =>
  `Disturbed: in ${count} measurements other work took over ${100 * DISTURBED_ABOVE} % of the processors. They count where a row has no others, and no ratio is taken from them.`;

/** Of rows with the same reason in one. */
const skippedLines = (skipped) =>
  [...new Set(skipped.map(({ reason }) => reason))].map((reason) => {
    const names = skipped.filter((each) => each.reason === reason).map(({ what }) => what);
    return `Skipped: ${reason}: ${names.join('; ')}`;
  });

export function asMarkdown(report) {
  const { tables, machine } = report;
  return `${[
    '# Training with several processes on one machine',
    sourcesLine(report),
    ...filled(tables).flatMap((each) => networkTable(each, machine.cores)),
    ...(filled(tables).length > 0 ? [READING.map((line) => `- ${line}`).join('\n')] : []),
    ...(tables.head.rows.length > 0 ? headTable(tables.head) : []),
    ...remarks(report),
  ].join('\n\n')}\n`;
}
