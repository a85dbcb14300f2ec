import { linear, models, sequential } from '../../../dist/lib/index.mjs';
import { trainingImages } from '../../contenders/margincore/training.mjs';

const SIDE = 8;

/** Of a job: a network on Fashion-MNIST, or hardly any network before a head of many classes. */
export const dataAndModel = (job) => (job.network ? ofNetwork(job) : ofHead(job));

async function ofNetwork(job) {
  const { network, count } = job;
  const data = repeated(await trainingImages(job), count);
  return { data, model: models[network.name](network.options) };
}

/** So many images: those that there are, again and again. */
function repeated({ images: { data, shape }, labels, ...rest }, count) {
  const [stored, ...size] = shape;
  const bytes = data.length / stored;
  const all = new Uint8Array(count * bytes);
  for (let start = 0; start < all.length; start += data.length)
    all.set(data.subarray(0, all.length - start), start);
  return {
    ...rest,
    images: { data: all, shape: [count, ...size] },
    labels: Int32Array.from({ length: count }, (_, index) => labels[index % stored]),
  };
}

function ofHead({ count, embeddingSize, numClasses }) {
  // The same in each process.
  const scattered = (index, below) => (index * 7919) % below;
  const pixels = Uint8Array.from({ length: count * SIDE * SIDE }, (_, index) => scattered(index, 251));
  const data = {
    images: { data: pixels, shape: [count, SIDE, SIDE, 1] },
    labels: Int32Array.from({ length: count }, (_, index) => scattered(index, numClasses)),
    classNames: Array.from({ length: numClasses }, (_, label) => String(label)),
  };
  return { data, model: sequential([linear({ outFeatures: embeddingSize })]) };
}
