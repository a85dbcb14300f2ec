// The rows: which work, by whose processes, how many of them with how many threads, and how much of it is timed.
import { fileURLToPath } from 'node:url';
import { works } from '../../shared/works.mjs';

const sample = (name) =>
  fileURLToPath(new URL(`../../../datasets/fashion-mnist-sample/${name}`, import.meta.url));
const SAMPLE = {
  images: sample('train-images-idx3-ubyte.gz'),
  labels: sample('train-labels-idx1-ubyte.gz'),
  numClasses: 10,
};
/** That the sample has for training, and that are trained on again where an epoch takes more. */
const SAMPLE_IMAGES = 6000;

/**
 * Images of a thread's share in a step; so many epochs of so many steps are timed, after one more to warm up. They are short, for
 * the one to warm up is as long; what margincore does between them is not in the time.
 */
const NETWORKS = {
  'seed-cnn': { share: 128, steps: 16, epochs: 4 },
  resnet18: { share: 32, steps: 2, epochs: 2 },
};

const CLASSES = { batch: 128, embeddingSize: 512, numClasses: 100_000, steps: 1, epochs: 3 };

export const WORKS = [...Object.keys(NETWORKS), 'head'];

/**
 * Of a network. Those that are compared with one another are neighbours. `alone`: not distributed. What one process of MPI takes more is too
 * little for this to show: ../overhead.mjs.
 */
const LAYOUTS = [
  { contender: 'margincore', starter: 'alone', ranks: 1, threads: 1 },
  { contender: 'margincore', starter: 'mpi', ranks: 1, threads: 1 },
  { contender: 'pytorch', starter: 'ddp', ranks: 1, threads: 1 },
  { contender: 'pytorch', starter: 'ddp', ranks: 2, threads: 1 },
  { contender: 'margincore', starter: 'mpi', ranks: 2, threads: 1 },
  { contender: 'margincore', starter: 'alone', ranks: 1, threads: 2 },
  { contender: 'margincore', starter: 'mpi', ranks: 4, threads: 1 },
  { contender: 'pytorch', starter: 'ddp', ranks: 4, threads: 1 },
];

const RANKS = [1, 2, 4];
const HEAD_LAYOUTS = RANKS.flatMap((ranks) =>
  ['replicated', 'sharded'].map((place) => ({
    ...{ contender: 'margincore', starter: 'mpi', ranks, threads: 1, place },
  })),
);

/** What PyTorch is run with, beside channels_last: glibc then keeps the blocks that each step asks for anew. */
const TUNED_MALLOC = {
  MALLOC_MMAP_THRESHOLD_: '4294967296',
  MALLOC_TRIM_THRESHOLD_: '4294967296',
  MALLOC_TOP_PAD_: '67108864',
};
const BY_CONTENDER = { margincore: {}, pytorch: { variant: 'nhwc', env: TUNED_MALLOC } };

export function planRound({ quick, work }) {
  const networks = Object.keys(NETWORKS).flatMap((id) =>
    LAYOUTS.map((layout) => ofNetwork(id, layout, quick)),
  );
  const heads = HEAD_LAYOUTS.map((layout) => ofHead(layout, quick));
  return [...networks, ...heads].filter((job) => work.includes(job.work));
}

function ofNetwork(id, layout, quick) {
  const { network, head, precision, pixels } = works.find((each) => each.id === id);
  const { share, ...full } = NETWORKS[id];
  const { steps, epochs } = quick ? { steps: 2, epochs: 1 } : full;
  const batch = share * layout.ranks * layout.threads;
  return {
    ...{ work: id, ...layout, network, head, precision, ...pixels, ...SAMPLE },
    ...{ batch, count: steps * batch, limit: Math.min(steps * batch, SAMPLE_IMAGES) },
    ...{ warmupEpochs: 1, epochs, warmupSteps: steps, ...BY_CONTENDER[layout.contender] },
  };
}

function ofHead(layout, quick) {
  const { head } = works.find(({ id }) => id === 'head');
  const { batch, embeddingSize, steps, ...full } = CLASSES;
  const { numClasses, epochs } = quick ? { numClasses: 10_000, epochs: 1 } : full;
  return {
    ...{ work: 'head', ...layout, head, precision: 'fp32', embeddingSize, numClasses },
    ...{ batch, count: steps * batch, warmupEpochs: 1, epochs },
  };
}

/** At most, of a head's processes: weights, gradients, two moments and a copy of each class, and six of the logits. */
export const headBytes = ({ place, ranks, batch, embeddingSize, numClasses }) =>
  place ? 4 * numClasses * (5 * embeddingSize * ranks + 6 * batch) : 0;

const counted = (count, what, plural = `${what}s`) => `${count} ${count === 1 ? what : plural}`;

/** In words. */
export function layoutName({ contender, starter, ranks, threads, place }) {
  const who = contender === 'pytorch' ? 'PyTorch DDP' : 'margincore';
  const what = place ? `${place} head` : { alone: 'not distributed', mpi: 'distributed' }[starter];
  const size = `${counted(ranks, 'process', 'processes')} × ${counted(threads, 'thread')}`;
  return `${who}, ${size}${what ? `, ${what}` : ''}`;
}
