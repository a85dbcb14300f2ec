/** Trains a model whose embedding can be drawn, and puts it together with the page that runs it in a browser. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { type Dataset, type ImageArray, type Model, models, type Split, train } from '../../lib/index.js';
import { classColour } from '../../lib/report/svg/palette.js';
import { framingOf, type Grey } from './framing.js';
import { MODEL_FILE, SITE_FILE, type Site, WASM_FILE } from './site.js';

/** Of the test images */
const SHOWN = 1000;
/** Training images that the framing is measured on */
const MEASURED = 1000;
/** In the plane class weights stand on a circle: small steps and a margin that comes late let them pass one another. */
const TRAINING = {
  head: 'arcface',
  m: 0.5,
  s: 'auto',
  batchSize: 32,
  headLr: 10,
  marginWarmup: 0.3,
} as const;

const PAGE = join(packageRoot(), 'examples', 'browser', 'page');

/**
 * Writes a folder that any web server can serve, and that loads nothing from elsewhere.
 * @param data Of grey images, with a test set
 * @returns the model in it; the caller disposes of it.
 */
export async function buildSite(
  data: Dataset,
  folder: string,
  { epochs, progress = false }: { epochs: number; progress?: boolean },
): Promise<Model> {
  const { test } = data;
  if (test === undefined) throw new Error(`${data.name} has no test images to show`);
  const [, H, W, C] = data.train.images.shape;
  if (C !== 1) throw new Error(`A drawing is grey: ${data.name} has images of ${C} channels`);

  const network = models.seedCnn({ embeddingSize: 2 });
  const { model, test: scores } = await train({ ...TRAINING, data, model: network, epochs, progress });
  const { images, labels } = firstOf(test, SHOWN);
  const { data: points } = await model.embed(images, { normalize: false });
  const { data: centres } = await model.classCentres();
  const site: Site = {
    dataName: data.name,
    accuracy: scores!.accuracy,
    classNames: data.classNames,
    colours: data.classNames.map((_, label) => classColour(label)),
    size: [H, W],
    framing: framingOf(greysOf(firstOf(data.train, MEASURED).images)),
    points: Array.from(points, (value) => Number(value.toPrecision(4))),
    labels: Array.from(labels),
    centres: Array.from(centres),
  };

  await mkdir(folder, { recursive: true });
  await model.exportOnnx(join(folder, MODEL_FILE), { normalize: false });
  await writeFile(join(folder, SITE_FILE), JSON.stringify(site));
  await bundlePage(folder);
  return model;
}

/** The page's script with onnxruntime-web's in it, and the WebAssembly that this loads. */
async function bundlePage(folder: string): Promise<void> {
  await build({
    entryPoints: [join(PAGE, 'main.ts')],
    outfile: join(folder, 'main.js'),
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  });
  for (const file of ['index.html', 'style.css']) await copyFile(join(PAGE, file), join(folder, file));
  const runtime = dirname(require.resolve('onnxruntime-web'));
  await copyFile(join(runtime, WASM_FILE), join(folder, WASM_FILE));
}

function firstOf({ images, labels }: Split, count: number): Split {
  const [N, H, W, C] = images.shape;
  const taken = Math.min(N, count);
  return {
    images: { data: images.data.subarray(0, taken * H * W * C), shape: [taken, H, W, C] },
    labels: labels.subarray(0, taken),
  };
}

function greysOf({ data, shape: [N, height, width] }: ImageArray): Grey[] {
  const size = height * width;
  return Array.from({ length: N }, (_, index) => ({
    data: data.subarray(index * size, (index + 1) * size),
    height,
    width,
  }));
}
