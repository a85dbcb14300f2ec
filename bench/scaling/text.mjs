// The model's tables for reading.
import { sourcesLine } from '../shared/sources.mjs';
import { BACKBONE, CARD, NETWORKS, OPTIMIZERS } from './assumptions.mjs';

const COLLECTIVES = [
  ['all-gather', 'embeddings x and labels', 'N · (4D + 4); from 256 GPUs N · (2D + 4)'],
  ['all-reduce, largest', "each row's largest other logit", '4N'],
  ['all-reduce, sum', "each row's Σ e^(z−m) and three numbers of its target", '16N'],
  ['reduce-scatter, sum', 'gradients dx', '4ND'],
  ['all-reduce, sum', 'squares for the gradient norm, finiteness, loss', '12'],
  ['all-reduce, sum', "gradients of the backbone's P parameters, in buckets", '4P'],
];

const ms = (seconds) => (1000 * seconds).toFixed(seconds < 1e-3 ? 2 : 1);
const gb = (bytes) => (bytes / 1e9).toFixed(bytes < 1e9 ? 2 : bytes < 10e9 ? 1 : 0);
const percent = (part) => `${Math.round(100 * part)} %`;
const count = (value) => value.toLocaleString('en-US');
const millions = (classes) => `${classes / 1e6} million classes`;
const sampling = (share) => (share < 1 ? `, ${share} of them drawn` : '');
const LIMIT = `does not fit ${gb(CARD.memoryBytes)} GB`;

/** The first `names` columns are words. */
const table = (header, rows, names = 1) =>
  [header, header.map((_, column) => (column < names ? '---' : '---:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');

const gpus = (cells) => cells.map(({ ranks }) => `${count(ranks)} GPUs`);

const stepCell = ({ seconds, headSeconds, computing, fits }) =>
  fits ? `${ms(seconds)} (${ms(headSeconds)}) ${percent(computing)}` : LIMIT;

const stepTable = (steps) =>
  table(
    ['', ...gpus(steps[0].cells)],
    steps.map(({ title, classes, share, cells }) => [
      `${title}, ${millions(classes)}${sampling(share)}`,
      ...cells.map(stepCell),
    ]),
  );

function lineTable(columns) {
  const nameOf = ({ what, collective }) =>
    what ? `${what}, computing` : `${collective}. ${COLLECTIVES[collective - 1][0]}`;
  return table(
    ['', ...columns.map(({ title, ranks }) => `${title}: ${count(ranks)}`)],
    columns[0].lines.map((line, index) => [
      nameOf(line),
      ...columns.map(({ lines }) => ms(lines[index].seconds)),
    ]),
  );
}

const collectiveTable = () =>
  table(
    ['', 'of', 'bytes'],
    COLLECTIVES.map(([kind, of, bytes], index) => [`${index + 1}. ${kind}`, of, bytes]),
    3,
  );

function memoryTable(rows) {
  const header = [
    ...['', 'GPUs', 'weights', 'moment', 'gradients', 'logits', 'copies, x, dx', 'backbone'],
    ...Object.values(OPTIMIZERS).map(({ label }) => `all, ${label}`),
  ];
  const parts = ['weights', 'moments', 'gradients', 'logits', 'copies', 'backbone'];
  const total = (memory) => `${gb(memory.total)}${memory.fits ? '' : `: ${LIMIT}`}`;
  return table(
    header,
    rows.flatMap(({ classes, share, cells }) =>
      cells.map(({ ranks, sgd, adam }) => [
        `${millions(classes)}${sampling(share)}`,
        count(ranks),
        ...parts.map((part) => gb(sgd[part])),
        total(sgd),
        total(adam),
      ]),
    ),
  );
}

const SLOTS = {
  drawn: 'targets among the drawn, as it is done',
  expected: 'beside them, for as many as a GPU has images',
  all: 'beside them, for all of the batch',
};
const slotCell = ({ headSeconds, total, fits }) =>
  fits ? `${ms(headSeconds)} ms, ${gb(total)} GB` : `${gb(total)} GB: ${LIMIT}`;

const slotTable = (rows) =>
  table(
    ['room', ...gpus(rows[0].cells)],
    rows.flatMap(({ classes, cells }) =>
      Object.entries(SLOTS).map(([slots, label]) => [
        `${label}, ${millions(classes)}`,
        ...cells.map((cell) => slotCell(cell[slots])),
      ]),
    ),
  );

const doubtTable = (doubts) =>
  table(
    ['', ...doubts[0].cells.map(({ title, share }) => `${title}${sampling(share)}`)],
    doubts.map(({ what, cells }) => [what, ...cells.map(stepCell)]),
  );

function assumptions() {
  const { fast, slow } = NETWORKS;
  const us = (seconds) => `${Number((1e6 * seconds).toFixed(2))} µs`;
  const hops = ({ within, between }) => `${us(within)} over NVLink and ${us(between)} between nodes`;
  return [
    `A GPU is an H100 of ${gb(CARD.memoryBytes)} GB: ${CARD.matmulFlopsPerSecond / 1e12} TFLOP/s in TF32 matmuls (assumed), ${CARD.memoryBytesPerSecond / 1e12} TB/s of memory, one after the other.`,
    `The backbone has ${BACKBONE.parameters / 1e6} million parameters and trains ${count(BACKBONE.imagesPerSecond)} images/s on a GPU (assumed), however few images it has at once: for 8 its time is a lower bound. Two thirds of it are backward, beside which gradients are added up at no cost to either.`,
    `Between GPUs ${fast.busBytesPerSecond.between / 1e9} GB/s, by NVLink in a node of 8 and by 8 × 400 Gbit/s between nodes; or ${slow.busBytesPerSecond.between / 1e9} GB/s between nodes with one card of 100 Gbit/s each (assumed). No other traffic, no congestion, no GPU that is late.`,
    `A collective starts in ${us(fast.startSeconds)}; a hop of a ring takes ${hops(fast.ringHopSeconds)}, of a tree ${hops(fast.treeHopSeconds)}: what NCCL itself reckons with. All-gather and reduce-scatter are rings, an all-reduce is the faster of a ring and a tree.`,
    'D = 512, fp32; embeddings are gathered in bf16 from 256 GPUs on. SGD with momentum; Adam in the table of memory alone.',
    'Each GPU has as many classes, and as many targets of each batch, as any other. Drawing a sample costs nothing; weights and moments of what is drawn are copied, and copied back.',
    'Reading images, logs, evaluation and batch norm across GPUs are not in it.',
  ];
}

function head({ calibration }) {
  const { predicted, measured, ofMatmuls, ratio, measuredOn, commit } = calibration;
  return [
    '# Training on many GPUs: what a model says',
    '**This is a model, not a measurement.** It computes on paper how long a step would take with the backbone data-parallel and ' +
      'the head class-parallel: W GPUs have C/W classes each, against which they compute all N rows of the batch. **Nothing of it ' +
      'was measured on several GPUs**, and processes of this library train together on CPUs and on simulated GPUs alone.',
    'There is one time to compare with: ArcFace forward and backward on one card, 128 × 512, 100,000 classes, TF32. ' +
      `Predicted ${ms(predicted)} ms, measured ${ms(measured)} ms (results/h100/seed-cnn.json, ${measuredOn}, sources ${commit}): ` +
      `${ratio.toFixed(2)} times as long. Only ${ms(ofMatmuls)} ms of that are the matmuls' arithmetic, which is up to half of the head ` +
      'in the tables below: its speed is hardly tested by this.',
  ];
}

const READING = [
  "With as many images on every GPU the head costs the same on any number of GPUs, B · C · D, but for the update of the GPU's own classes: sampling lowers it, more GPUs do not.",
  "What grows with W are the embeddings and their gradients, N of them on every GPU, and the hops of their two rings; the softmax's three exchanges hardly do.",
  'A batch that stays as large ends in hops: half the computing per GPU, but as many hops as GPUs.',
];

const list = (lines) => lines.map((line) => `- ${line}`).join('\n');

export function asMarkdown(report) {
  const { steps, lines, memory, slots, doubts } = report;
  const [doubted] = doubts[0].cells;
  return `${[
    ...head(report),
    '## Assumptions',
    list(assumptions()),
    'Values and sources: `bench/scaling/assumptions.mjs`. `node bench/scaling/model.mjs` writes this file.',
    '## A step',
    'Milliseconds of a step, in brackets those of the head, and which part of the step is computing. A step that the memory does not allow has no time.',
    stepTable(steps),
    list(READING),
    '## Where the time goes',
    'Bytes are of the whole: around a ring each GPU sends (W−1)/W of them, in an all-reduce twice.',
    collectiveTable(),
    `Milliseconds by the number of GPUs, ${millions(lines[0].classes)}${sampling(lines[0].share)}. Of 6 what the backward pass does not hide:`,
    lineTable(lines),
    '## Memory',
    "GB on a GPU with 128 images, parts with SGD's moment; without the network's activations and what libraries take, so what is close to the limit does not fit either.",
    memoryTable(memory),
    '## Room for targets',
    'Where classes are drawn, a step compares the targets too. Shapes may not change from step to step: targets take places of those that are drawn (a batch with more targets in a block of classes than are drawn of it is refused: raise the share), ' +
      'or have places of their own, for a number of them or for the whole batch. The head, and all memory with SGD, at 128 images per GPU and 0.1 of the classes drawn, ' +
      'or as many as there are targets; where there is room for all classes, nothing is drawn:',
    slotTable(slots),
    '## Doubts',
    `Steps of ${count(doubted.ranks)} GPUs with ${millions(doubted.classes)}, where an assumption is off:`,
    doubtTable(doubts),
    sourcesLine(report),
  ].join('\n\n')}\n`;
}
