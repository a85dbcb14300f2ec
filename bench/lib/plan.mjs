// What is measured, with how much work each time.
import { fileURLToPath } from 'node:url';

const file = (name) => fileURLToPath(new URL(`../../datasets/fashion-mnist-sample/${name}`, import.meta.url));

/** 5,760 images are whole batches of 20 and of 128, so that nobody meets a smaller last batch. */
const data = {
  limit: 5760,
  images: file('train-images-idx3-ubyte.gz'),
  labels: file('train-labels-idx1-ubyte.gz'),
};

/** The head alone, of a size where it is most of the work. */
const head = { measure: 'head', batch: 128, embeddingSize: 512, numClasses: 100_000 };

/** The tables. A startup job answers for two of them. */
export const tables = [
  { id: 'batch128', title: 'Training, batch 128', unit: 'images/s', timed: true, moreIsBetter: true },
  { id: 'batch20', title: 'Training, batch 20', unit: 'images/s', timed: true, moreIsBetter: true },
  {
    id: 'firstStep',
    title: 'Process start to first training step, batch 128',
    unit: 's',
    timed: true,
    moreIsBetter: false,
  },
  {
    id: 'head',
    title: 'ArcFace head alone, forward and backward, batch 128, embedding 512, 100,000 classes',
    unit: 's',
    timed: true,
    moreIsBetter: false,
  },
  { id: 'memory', title: 'Peak resident memory, batch 128', unit: 'MiB', timed: false, moreIsBetter: false },
];

/**
 * With more than this fraction of the processors in other hands a time says nothing: threads that wait for one another
 * in every operation become ten times slower, not a tenth.
 */
export const DISTURBED_ABOVE = 0.05;

/** Ratios that margincore is meant to reach, against the contender's best variant. */
export const targets = [
  { table: 'batch128', contender: 'pytorch', atLeast: 1.5 },
  { table: 'batch20', contender: 'pytorch', atLeast: 1.3 },
  { table: 'batch128', contender: 'convnetjs', atLeast: 100 },
  { table: 'batch20', contender: 'convnetjs', atLeast: 100 },
  { table: 'firstStep', contender: 'pytorch', atMost: 0.2 },
  { table: 'memory', contender: 'pytorch', atMost: 0.5 },
  { table: 'head', contender: 'pytorch', atMost: 0.25 },
];

/**
 * glibc gives large blocks back to the kernel and gets them anew in every operation of PyTorch. These settings stop
 * that. Few set them, so this variant is shown beside the others and not judged by the targets.
 */
const tunedMalloc = {
  variant: 'nhwc, tuned malloc',
  tuned: true,
  env: {
    MALLOC_MMAP_THRESHOLD_: '4294967296',
    MALLOC_TRIM_THRESHOLD_: '4294967296',
    MALLOC_TOP_PAD_: '67108864',
  },
};

/** One round: jobs of the same kind follow each other, so that all contenders meet the same state of the machine. */
export function planRound({ quick, threads, only, chosen }) {
  const epochs = quick ? 1 : 4;
  const common = { threads, ...data };
  const training = (contender, batch, work) => ({
    contender,
    measure: 'throughput',
    batch,
    ...work,
    ...common,
  });
  const startup = (contender, variant) => ({
    contender,
    variant,
    measure: 'startup',
    batch: 128,
    epochs: quick ? 1 : 3,
    ...common,
  });
  const headAlone = (contender, variant) => ({
    contender,
    ...head,
    ...variant,
    threads,
    repetitions: quick ? 3 : 10,
  });
  const fast = (batch) => [
    training('margincore', batch, { warmupEpochs: 1, epochs }),
    ...['nchw', 'nhwc', 'compile'].map((variant) => training('pytorch', batch, { epochs, variant })),
    training('pytorch', batch, { epochs, ...tunedMalloc }),
  ];
  // Those in JavaScript take seconds per step, so they get a few steps, and tfjs (minutes at 128) batch 20 only.
  return [
    ...fast(128),
    training('convnetjs', 128, { warmupBatch: 20, steps: 1 }),
    ...fast(20),
    training('convnetjs', 20, { warmupBatch: 20, steps: 4 }),
    training('tfjs', 20, { warmupBatch: 2, steps: 1 }),
    headAlone('margincore'),
    headAlone('pytorch', { variant: 'eager' }),
    headAlone('pytorch', { variant: 'compile' }),
    headAlone('pytorch', { ...tunedMalloc, variant: 'eager, tuned malloc' }),
    startup('margincore'),
    startup('pytorch', 'nchw'),
    startup('pytorch', 'nhwc'),
  ].filter((job) => only.includes(job.contender) && tablesOf(job).some((table) => chosen.includes(table)));
}

function tablesOf({ measure, batch }) {
  if (measure === 'throughput') return [`batch${batch}`];
  return measure === 'startup' ? ['firstStep', 'memory'] : ['head'];
}

export const jobName = ({ contender, variant }) => (variant ? `${contender} ${variant}` : contender);
