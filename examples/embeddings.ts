/**
 * What each head does to the embeddings: trains every one of them with an embedding of two dimensions on the bundled
 * sample, prints a table, and draws where test images come to lie. Takes the path of the picture.
 * Exits with 1 where a head does not separate the classes; a loss that is not finite ends it at once.
 */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  type Dataset,
  datasets,
  type HeadOptions,
  type Model,
  models,
  type Split,
  train,
} from '../lib/index.js';
import { describeOptions, percent } from '../lib/report/format.js';
import { type EmbeddingsPanel, embeddingsSvg } from '../lib/report/svg/embeddingsSvg.js';

const HEADS: readonly HeadOptions[] = [
  { head: 'softmax', bias: true },
  { head: 'l2-softmax', alpha: 16 },
  { head: 'normface', s: 'auto' },
  { head: 'l-softmax', m: 4, lambda: 'sphereface' },
  { head: 'a-softmax', m: 4, lambda: 'sphereface' },
  { head: 'am-softmax', s: 'auto', m: 0.35 },
  { head: 'arcface', s: 'auto', m: 0.5 },
  { head: 'combined', s: 'auto', m1: 1, m2: 0.3, m3: 0.2 },
  { head: 'pedcc', s: 7.5, m: 0.35 },
  { head: 'center', weight: 0.1 },
  { head: 'scaled-bn', m: 1 },
];
/**
 * In two dimensions class weights stand on a circle, where one has to pass another to leave its first neighbours: many
 * small steps, fast class weights and a margin that comes late let it.
 */
const TRAINING = { epochs: 10, batchSize: 32, headLr: 10, marginWarmup: 0.3 };
/** Of the test images */
const SHOWN = 500;

async function main(): Promise<void> {
  const picture = resolve(process.argv[2] ?? 'examples/margincore-embeddings.svg');
  const data = await datasets.fashionMnistSample();
  console.log('| head | options | test accuracy | own centre | nearest other centre |');
  console.log('|---|---|---|---|---|');
  const panels: EmbeddingsPanel[] = [];
  for (const head of HEADS) panels.push(await trainHead(head, data));
  const title = 'Fashion-MNIST in two dimensions: where each head puts the test images';
  const caption = 'With test accuracy. Rays: mean direction of each class. Every panel has its own scale.';
  writeFileSync(picture, embeddingsSvg({ panels, classNames: data.classNames, title, caption }));
  console.log(`\nPicture of the embeddings: ${picture}`);
}

async function trainHead(options: HeadOptions, data: Dataset): Promise<EmbeddingsPanel> {
  const network = models.seedCnn({ embeddingSize: 2 });
  const { model, test, angles } = await train({ ...options, ...TRAINING, data, model: network });
  const { points, labels } = await shownPoints(model, data.test!);
  model.dispose();

  const { head, ...values } = options;
  const subtitle = describeOptions(values);
  const accuracy = percent(test!.accuracy);
  const { ownCentreMean: own, nearestOtherCentreMean: other } = angles!;
  console.log(`| ${head} | ${subtitle} | ${accuracy} | ${own.toFixed(1)}° | ${other.toFixed(1)}° |`);
  if (test!.accuracy < 2 / data.numClasses || other < 1) {
    console.error(`${head}: collapsed`);
    process.exitCode = 1;
  }
  const directions = meanDirections(points, labels, data.numClasses);
  return { title: `${head} · ${accuracy}`, subtitle, points, labels, directions };
}

/** As the network gives them, not normalised. */
async function shownPoints(
  model: Model,
  { images, labels }: Split,
): Promise<{ points: Float32Array; labels: Int32Array }> {
  const [, H, W, C] = images.shape;
  const pixels = images.data.subarray(0, SHOWN * H * W * C);
  const { data: points } = await model.embed({ data: pixels, shape: [SHOWN, H, W, C] }, { normalize: false });
  return { points, labels: labels.subarray(0, SHOWN) };
}

/** (numClasses, 2): sums of each class's points, all taken at length 1. */
function meanDirections(points: Float32Array, labels: Int32Array, numClasses: number): Float32Array {
  const sums = new Float32Array(2 * numClasses);
  for (const [index, label] of labels.entries()) {
    const [x, y] = [points[2 * index]!, points[2 * index + 1]!];
    const length = Math.hypot(x, y) || 1;
    sums[2 * label]! += x / length;
    sums[2 * label + 1]! += y / length;
  }
  return sums;
}

main();
