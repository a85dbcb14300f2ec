#!/usr/bin/env node
// scripts/check-exports: what is exported is looked at by programs of others, and what they write is taken. Of every network:
//   ONNX files       onnx.checker with full_check, strict shape inference; under onnxruntime, the answers of `predict` and `embed`
//   PyTorch's files  loaded strictly by torchvision's network, where there is one; its answers
// And the other way: state dicts of torchvision and timm, by safetensors' own save_file, as the weights of a network.
//   --only NAME,…    of the networks
// Needs Python with torch, torchvision, timm, safetensors, onnx and onnxruntime: $MARGINCORE_PYTHON, or .venv/bin/python.
// Writes results.md and results.json where no option is given; fails where anything is not as it has to be.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findPython } from '../../bench/shared/python.mjs';
import { describeSources, sourcesLine } from '../../bench/shared/sources.mjs';
import lib from '../../dist/lib/index.js';
import random from '../../dist/test/support/randomModel.js';

const { datasets, models, schedules, train } = lib;
const { randomImages, randomModel } = random;
const HERE = dirname(fileURLToPath(import.meta.url));
const CLASSES = 7;
const COUNT = 3;
/** Largest difference, relative to the largest value where that is above 1. */
const TOLERANCES = { onnx: 1e-4, pytorch: 1e-5, weights: 1e-5 };

/** Of the size that they were published for, where torchvision has them: there its network is the same. */
const NETWORKS = [
  ['seedCnn', models.seedCnn({ embeddingSize: 16 }), [28, 28, 1]],
  ['lenetPlusPlus', models.lenetPlusPlus({ embeddingSize: 3 }), [28, 28, 1]],
  ['lSoftmaxNet (MNIST)', models.lSoftmaxNet({ dataset: 'mnist' }), [28, 28, 1]],
  ['lSoftmaxNet (CIFAR-10)', models.lSoftmaxNet({ dataset: 'cifar10' }), [32, 32, 3]],
  ...['vgg11', 'vgg16', 'resnet18', 'resnet34', 'resnet50', 'resnext50', 'densenet121'].flatMap((name) => [
    [name, models[name](), [224, 224, 3]],
    [`${name} (32×32)`, models[name]({ imageSize: 32, embeddingSize: 16 }), [32, 32, 3]],
  ]),
];
const ONNX = { uint8: {}, float: { input: 'float' }, folded: { fold: true } };

function python(program, ...args) {
  const { status, stdout, stderr } = spawnSync(program, [join(HERE, 'check.py'), ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(`check.py ${args[0]} failed:\n${stderr}`);
  return stdout;
}

/** What the network answers itself, and its files. */
async function exported(folder, [family, network, input], index) {
  const model = await randomModel(network, input, { head: 'softmax' }, CLASSES);
  const images = randomImages(COUNT, model.input);
  const write = (name, type, { data, shape }) => {
    const file = `${index}-${name}.bin`;
    writeFileSync(join(folder, file), data);
    return { file, type, shape };
  };
  const { probabilities } = await model.predict(images);
  const described = {
    ...{ family, classes: CLASSES, onnx: {} },
    ...{ mean: [...model.normalization.mean], std: [...model.normalization.std] },
    images: write('images', 'u1', images),
    probabilities: write('probabilities', '<f4', { data: probabilities, shape: [COUNT, CLASSES] }),
    embedding: write('embedding', '<f4', await model.embed(images)),
  };
  for (const [variant, options] of Object.entries(ONNX)) {
    described.onnx[variant] = `${index}-${variant}.onnx`;
    await model.exportOnnx(join(folder, described.onnx[variant]), options);
  }
  if (input[0] === 224) {
    described.pytorch = `${index}.safetensors`;
    await model.exportPyTorch(join(folder, described.pytorch));
  }
  return described;
}

/** One network at a time: together their files would take several GB. */
async function checkExports(program, chosen) {
  const rows = [];
  for (const [index, network] of chosen.entries()) {
    const folder = mkdtempSync(join(tmpdir(), 'margincore-exports-'));
    try {
      const described = await exported(folder, network, index);
      writeFileSync(join(folder, 'exports.json'), JSON.stringify({ models: [described] }));
      rows.push(JSON.parse(python(program, 'read', folder)));
      console.log(JSON.stringify(rows.at(-1)));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  return rows;
}

/** A step of rate 0, which moves running statistics as PyTorch's training mode does, and the embeddings after it. */
async function embeddingsWith(weights, { side, batch, shown, mean, std }, name, folder) {
  const read = (file, count) => ({
    data: new Uint8Array(readFileSync(join(folder, file))),
    shape: [count, side, side, 3],
  });
  const labels = Int32Array.from({ length: batch }, (_, index) => index % CLASSES);
  const { model, notes } = await train({
    data: datasets.fromArrays({ images: read('batch.bin', batch), labels }),
    ...{ model: models[name]({ imageSize: side, weights }), normalize: { mean, std }, device: 'cpu' },
    ...{ epochs: 1, batchSize: batch, learningRate: schedules.constant(0), progress: false },
  });
  const { data } = await model.embed(read('images.bin', shown), { normalize: false });
  model.dispose();
  return { data, notes: notes.filter(({ code }) => code === 'WEIGHTS_INCOMPLETE') };
}

async function checkWeights(program) {
  const folder = mkdtempSync(join(tmpdir(), 'margincore-exports-'));
  try {
    const { networks, ...batches } = JSON.parse(python(program, 'write', folder));
    const rows = [];
    for (const { library, name, file, answers } of networks) {
      const { buffer } = new Uint8Array(readFileSync(join(folder, answers)));
      const { data, notes } = await embeddingsWith(join(folder, file), batches, name, folder);
      const incomplete = notes.map(({ message }) => message);
      rows.push({ library, name, distance: distance(data, new Float32Array(buffer)), incomplete });
      console.log(JSON.stringify(rows.at(-1)));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function distance(found, expected) {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0) / largest;
}

const isFine = (found, tolerance) => typeof found === 'number' && found < tolerance;

function faultsOf(rows, weights) {
  return [
    ...rows.flatMap(({ family, onnx, pytorch }) => [
      ...Object.entries(onnx)
        .filter(([, found]) => !isFine(found, TOLERANCES.onnx))
        .map(([variant, found]) => `${family}, ONNX ${variant}: ${found}`),
      ...(pytorch === undefined || isFine(pytorch, TOLERANCES.pytorch)
        ? []
        : [`${family}, PyTorch: ${pytorch}`]),
    ]),
    ...weights
      .filter((row) => !isFine(row.distance, TOLERANCES.weights) || row.incomplete.length > 0)
      .map(({ library, name, ...row }) => `${name} of ${library}: ${JSON.stringify(row)}`),
  ];
}

const shown = (found) =>
  found === undefined ? '–' : typeof found === 'number' ? found.toExponential(1) : 'FAILED';

function tables(rows, weights) {
  return [
    '| network | ONNX, bytes in | normalised images in | folded | PyTorch | its network |',
    '|---|---|---|---|---|---|',
    ...rows.map(
      ({ family, onnx, pytorch, torchvision }) =>
        `| ${family} | ${Object.keys(ONNX)
          .map((variant) => shown(onnx[variant]))
          .join(' | ')} | ${shown(pytorch)} | ${torchvision ?? '–'} |`,
    ),
    '',
    '| weights of | network | embeddings |',
    '|---|---|---|',
    ...weights.map(({ library, name, distance }) => `| ${library} | ${name} | ${shown(distance)} |`),
  ].join('\n');
}

const HEADING = `# Files between margincore and others

Random weights, the head softmax, ${COUNT} images. Every ONNX file passed \`onnx.checker.check_model(full_check=True)\`, strict shape
inference by onnx and by onnxruntime; every file for PyTorch was loaded strictly by torchvision's network. Numbers are the largest
difference of their probabilities and embeddings from those of \`predict\` and \`embed\`, relative to the largest value where that is
above 1: at most ${TOLERANCES.onnx} for ONNX and ${TOLERANCES.pytorch} for PyTorch. Below, the other way: state dicts by safetensors' \`save_file\`
as the \`weights\` of ours, and what differs after a step of rate 0, which moves running statistics; at most ${TOLERANCES.weights}.`;

async function main() {
  const { values } = parseArgs({ options: { only: { type: 'string' } } });
  const only = values.only?.split(',');
  const sources = describeSources();
  const { python: program, reason } = findPython();
  if (!program) throw new Error(reason);
  const versions = JSON.parse(python(program, 'versions'));
  const rows = await checkExports(
    program,
    NETWORKS.filter(([family]) => only === undefined || only.includes(family)),
  );
  const weights = await checkWeights(program);
  const text = tables(rows, weights);
  console.log(text);
  const faults = faultsOf(rows, weights);
  for (const fault of faults) console.log(fault);
  if (faults.length > 0) process.exitCode = 1;
  if (only !== undefined || faults.length > 0) return;
  const report = { date: new Date().toISOString(), sources, versions, rows, weights };
  writeFileSync(join(HERE, 'results.json'), `${JSON.stringify(report, null, 1)}\n`);
  const programs = Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  writeFileSync(
    join(HERE, 'results.md'),
    `${HEADING}\n\n${text}\n\nBy ${programs}.\n${sourcesLine(report)}\n`,
  );
}

await main();
