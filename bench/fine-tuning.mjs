// What freezing saves: training steps of ResNet-18 (32×32, batch 64) with nothing, half and all of the network frozen, beside
// PyTorch with requires_grad = False and eval(); and peak resident memory.
//   node bench/fine-tuning.mjs [--rounds 3] [--steps 6] [--precision fp32|bf16] [--threads N] [--variants nhwc,compile]
// All contenders take turns, each time in a process of its own; ratios are taken within a round.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { positiveInteger } from './shared/arguments.mjs';
import { runJob } from './shared/child.mjs';
import { contenders } from './shared/contenders.mjs';
import { physicalCores } from './shared/machine.mjs';
import { median } from './shared/statistics.mjs';
import { DISTURBED_ABOVE } from './shared/undisturbed.mjs';
import { works } from './shared/works.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '6' },
    precision: { type: 'string', default: 'fp32' },
    threads: { type: 'string', default: String(physicalCores()) },
    variants: { type: 'string', default: 'nhwc,compile' },
  },
});
const rounds = positiveInteger('--rounds', values.rounds);
const steps = positiveInteger('--steps', values.steps);

const BATCH = 64;
/** So many of the four stages, and the layers before them: by the names that `freeze` takes. */
const FROZEN = [
  { title: 'nothing', stages: 0, freeze: [] },
  { title: 'stem to layer2', stages: 2, freeze: ['conv1', 'bn1', 'layer1', 'layer2'] },
  { title: 'all', stages: 4, freeze: 'all' },
];
const RUNNERS = [
  { contender: 'margincore' },
  ...values.variants.split(',').map((variant) => ({ contender: 'pytorch', variant })),
];

const file = (name) => fileURLToPath(new URL(`../datasets/fashion-mnist-sample/${name}`, import.meta.url));
const { network, head, pixels } = works.find(({ id }) => id === 'resnet18');
const common = {
  ...{ network, head, ...pixels, batch: BATCH, numClasses: 10, precision: values.precision },
  images: file('train-images-idx3-ubyte.gz'),
  labels: file('train-labels-idx1-ubyte.gz'),
  threads: positiveInteger('--threads', values.threads),
};
const TRAINING = {
  measure: 'throughput',
  limit: BATCH * steps,
  warmupEpochs: 1,
  warmupSteps: 2,
  untilLastStep: true,
};
const MEMORY = { measure: 'startup', limit: BATCH * 3 };

const commands = {};
for (const { name, prepare } of contenders) {
  if (!RUNNERS.some(({ contender }) => contender === name)) continue;
  const { command, reason } = prepare();
  if (command) commands[name] = command;
  else console.error(`skipped: ${name}: ${reason}`);
}
const runners = RUNNERS.filter(({ contender }) => commands[contender]);

/** Of each runner and what is frozen: images/s by round, and MiB. */
const rows = FROZEN.flatMap((frozen) =>
  runners.map((runner) => ({ frozen, runner, rates: [], memory: undefined })),
);
const nameOf = ({ runner: { contender, variant }, frozen }) =>
  `${variant ? `${contender} ${variant}` : contender}, ${frozen.title} frozen`;

for (let round = 0; round < rounds; round++) {
  for (const row of rows) {
    const { runner, frozen } = row;
    const job = { ...common, ...runner, frozenStages: frozen.stages, freeze: frozen.freeze, epochs: 1 };
    const { result, foreignLoad } = await runJob(commands[runner.contender], { ...job, ...TRAINING });
    if (!Number.isFinite(result.loss)) throw new Error(`${nameOf(row)}: its loss became ${result.loss}`);
    row.rates.push(result.images / result.seconds);
    const isDisturbed = foreignLoad > DISTURBED_ABOVE;
    console.error(
      `${nameOf(row)}: ${row.rates.at(-1).toFixed(1)} images/s${isDisturbed ? ' (disturbed)' : ''}`,
    );
    if (round > 0 || runner.variant === 'compile') continue; // where compilation would only cost
    const { result: once } = await runJob(commands[runner.contender], { ...job, ...MEMORY });
    row.memory = once.peakBytes / 2 ** 20;
  }
}

const rowOf = (title, contender, variant) =>
  rows.find(
    ({ frozen, runner }) =>
      frozen.title === title && runner.contender === contender && runner.variant === variant,
  );
const ratio = (row, base) => median(row.rates.map((rate, round) => rate / base.rates[round])).toFixed(2);

console.log(
  '| frozen | by | images/s | of its own with nothing frozen | margincore is | peak MiB |\n|---|---|---|---|---|---|',
);
for (const row of rows) {
  const { frozen, runner, rates, memory } = row;
  const whole = rowOf('nothing', runner.contender, runner.variant);
  const ours = rowOf(frozen.title, 'margincore');
  const by = runner.variant ? `PyTorch, ${runner.variant}` : 'margincore';
  console.log(
    `| ${frozen.title} | ${by} | ${median(rates).toFixed(0)} | ${ratio(row, whole)}× | ${row === ours ? '' : `${ratio(ours, row)}×`} | ${memory?.toFixed(0) ?? ''} |`,
  );
}
