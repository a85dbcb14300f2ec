/** The model of training on many GPUs, held to values computed by hand, and its results to what it computes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { nodeProgram } from '../support/nodeProgram.js';

/** What a module's expression is, of the model. */
async function evaluate(module: string, expression: string) {
  const program = `import * as model from './bench/scaling/${module}'; console.log(JSON.stringify(${expression}))`;
  const { status, stdout, stderr } = await nodeProgram(program, { flags: ['--input-type=module'] });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** Nodes of 4 GPUs; 1 GB/s within one, 0.5 GB/s between them. */
const network = {
  gpusPerNode: 4,
  busBytesPerSecond: { within: 1e9, between: 0.5e9 },
  startSeconds: 0.1,
  ringHopSeconds: { within: 0.01, between: 0.02 },
  treeHopSeconds: { within: 0.001, between: 0.002 },
};

const COLLECTIVES: readonly [collective: string, bytes: number, ranks: number, seconds: number][] = [
  // Each of two ranks passes on half, twice.
  ['ringAllReduce', 1e9, 2, 1 + 0.1 + 2 * 0.01],
  ['ringAllGather', 1e9, 4, 0.75 + 0.1 + 3 * 0.01],
  ['ringReduceScatter', 1e9, 4, 0.75 + 0.1 + 3 * 0.01],
  // 15 hops, of which 3 lead into another node.
  ['ringAllGather', 1e9, 16, (2 * 15) / 16 + 0.1 + 12 * 0.01 + 3 * 0.02],
  ['ringAllReduce', 1e9, 16, 2 * ((2 * 15) / 16 + 12 * 0.01 + 3 * 0.02) + 0.1],
  // Chains of 4, above them a binary tree of 4.
  ['treeAllReduce', 1e9, 16, 2 * (2 + 3 * 0.001 + 2 * 0.002) + 0.1],
  // The ring for many bytes, the tree for few.
  ['allReduce', 1e9, 2, 1 + 0.1 + 2 * 0.01],
  ['allReduce', 0, 16, 0.1 + 2 * (3 * 0.001 + 2 * 0.002)],
];

test('what collectives take', async () => {
  const calls = COLLECTIVES.map(
    ([collective, bytes, ranks]) => `model.${collective}(${bytes}, ${ranks}, ${JSON.stringify(network)})`,
  );
  const seconds = (await evaluate('collectives.mjs', `[${calls}]`)) as number[];
  const rounded = (value: number) => Number(value.toFixed(9));
  expect(seconds.map((value, row) => [calls[row], rounded(value)])).toEqual(
    COLLECTIVES.map(([, , , expected], row) => [calls[row], rounded(expected)]),
  );
});

const card = { matmulFlopsPerSecond: 1e9, memoryBytesPerSecond: 1e6, memoryBytes: 80e9 };
const sgd = { moments: 1, updatePasses: 5 };
/** 2 ranks with 10 rows and 500 of 1,000 classes each, of which a tenth is drawn: 50, and 10 targets. */
const sampled = { ranks: 2, rows: 20, classes: 1000, share: 0.1, slots: 'expected', card, optimizer: sgd };

test("the head's passes, update and copies", async () => {
  const work = JSON.stringify({ rows: 20, columns: 60, card, optimizer: sgd });
  const [pass, update, copy] = await evaluate(
    'head.mjs',
    `[model.passSeconds, model.updateSeconds, model.copySeconds].map((seconds) => seconds(${work}))`,
  );
  expect(pass).toBeCloseTo(0.0036864 + 4e-6 * (6 * 20 * 60 + 7 * 60 * 512 + 8 * 20 * 512), 9);
  expect(update).toBeCloseTo(4e-6 * 5 * 60 * 512, 9);
  expect(copy).toBeCloseTo(4e-6 * 8 * 60 * 512, 9);
});

test('what a rank computes with: drawn classes and targets among them or beside, never more than it has', async () => {
  const columns = await evaluate(
    'shard.mjs',
    `[{}, { slots: 'all' }, { share: 1 }, { slots: 'all', rows: 1000 }, { slots: 'drawn' }, { slots: 'drawn', rows: 160 }]
      .map((change) => model.columnsOf({ ...${JSON.stringify(sampled)}, ...change }))`,
  );
  expect(columns).toEqual([60, 70, 500, 500, 50, 80]);
});

test("memory: all weights and moments, the drawn ones' gradients, logits and copies", async () => {
  const setting = { ...sampled, backbone: { parameters: 100 } };
  expect(await evaluate('memory.mjs', `model.memoryOf(${JSON.stringify(setting)})`)).toEqual({
    ...{ weights: 1_024_000, moments: 1_024_000, gradients: 122_880, logits: 4800 },
    ...{ copies: 2 * 122_880 + 3 * 40_960, backbone: 1200 },
    total: 2_545_520,
  });
});

/** Steps of `sampled`, with 0.4 GB of gradients that are 17 buckets between the two ranks: 0.4 s, and 17 times 0.12. */
const steps = (...imagesPerSecond: number[]) => {
  const setting = { ...sampled, network: { ...network, treeHopSeconds: { within: 1, between: 1 } } };
  return evaluate(
    'step.mjs',
    `${JSON.stringify(imagesPerSecond)}.map((imagesPerSecond) => model.stepOf({ ...${JSON.stringify(setting)},
      backbone: { parameters: 1e8, imagesPerSecond, backwardShare: 0.6 } }))`,
  );
};

test('a step is its lines, of which backbone and head are computing', async () => {
  const [{ seconds, headSeconds, computing, lines }] = await steps(1);
  const exchanged = lines.slice(2) as { bytes: number; seconds: number }[];
  expect(exchanged.map(({ bytes }) => bytes)).toEqual([
    ...[20 * (512 * 4 + 4), 20 * 4, 20 * 16, 20 * 512 * 4, 12, 4e8],
  ]);
  // To and fro for an all-reduce, one way for the others.
  const hops = exchanged.slice(0, 5).map(({ seconds }) => Math.round((seconds - 0.1) / 0.01));
  expect(hops).toEqual([1, 2, 2, 1, 2]);
  const communicating = exchanged.reduce((total, line) => total + line.seconds, 0);
  expect(seconds).toBeCloseTo(10 + headSeconds + communicating, 9);
  expect(computing).toBeCloseTo((10 + headSeconds) / seconds, 9);
});

test('the head of a sample is copied there and back', async () => {
  const [{ headSeconds }] = await steps(1);
  const numbers = 6 * 20 * 60 + 7 * 60 * 512 + 8 * 20 * 512 + (5 + 8) * 60 * 512;
  expect(headSeconds).toBeCloseTo(0.0036864 + 4e-6 * numbers, 9);
});

test('the backward pass hides all of the gradients but the last bucket, or as much as it lasts', async () => {
  const last = (4e8 - 2 ** 20) % (25 * 2 ** 20);
  const [slow, fast] = await steps(1, 100);
  expect(slow.lines.at(-1).seconds).toBeCloseTo(last / 1e9 + 0.12, 6); // beside 6 s
  expect(fast.lines.at(-1).seconds).toBeCloseTo(0.4 + 17 * 0.12 - 0.06, 6);
});

test('the head of one card: within a factor of 1.5 of what was measured', async () => {
  const { predicted, measured } = await evaluate('calibration.mjs', 'model.calibration()');
  expect(predicted).toBeCloseTo(0.801e-3, 6);
  expect(measured).toBeCloseTo(0.66e-3, 6);
  expect(Math.max(predicted / measured, measured / predicted)).toBeLessThan(1.5);
});

test('the results are what the model computes', async () => {
  const file = join(packageRoot(), 'bench/results/scaling-model.json');
  const { date, sources, assumptions, ...results } = JSON.parse(readFileSync(file, 'utf8'));
  expect(await evaluate('plan.mjs', 'model.computed()')).toEqual(results);
  expect(await evaluate('assumptions.mjs', 'model')).toEqual(assumptions);
});
