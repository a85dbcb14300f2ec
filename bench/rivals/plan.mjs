// From the works to the jobs of a round: who does what, in which variants, and how much of it.
import { fileURLToPath } from 'node:url';
import { hasBf16 } from '../shared/machine.mjs';
import { works } from '../shared/works.mjs';

const file = (name) => fileURLToPath(new URL(`../../datasets/fashion-mnist-sample/${name}`, import.meta.url));

const SAMPLE = { images: file('train-images-idx3-ubyte.gz'), labels: file('train-labels-idx1-ubyte.gz') };

/**
 * glibc gives large blocks back to the kernel and gets them anew in every operation of PyTorch. These settings stop
 * that. Few set them, so these variants are shown beside the others, in every table, and not judged by the targets.
 */
const tunedMalloc = ({ variant, env }) => ({
  contender: 'pytorch',
  variant: `${variant}, tuned malloc`,
  tuned: true,
  env: {
    ...env,
    MALLOC_MMAP_THRESHOLD_: '4294967296',
    MALLOC_TRIM_THRESHOLD_: '4294967296',
    MALLOC_TOP_PAD_: '67108864',
  },
});

/** Inductor then folds batch norms and packs weights beforehand. Off unless asked for, so not judged either. */
const freezing = {
  contender: 'pytorch',
  variant: 'compile, freezing',
  tuned: true,
  env: { TORCHINDUCTOR_FREEZING: '1' },
};

const pytorch = (variant) => ({ contender: 'pytorch', variant });
const [NHWC, COMPILE, EAGER] = [pytorch('nhwc'), pytorch('compile'), pytorch('eager')];
const OURS = { contender: 'margincore' };

/** Who is measured in which way. Compilation would only cost start-up time and memory. */
const RUNNERS = {
  throughput: [OURS, pytorch('nchw'), NHWC, COMPILE, tunedMalloc(NHWC), tunedMalloc(COMPILE)],
  inference: [OURS, pytorch('nchw'), NHWC, COMPILE, freezing, tunedMalloc(NHWC), tunedMalloc(freezing)],
  startup: [OURS, pytorch('nchw'), NHWC, tunedMalloc(NHWC)],
  head: [OURS, EAGER, COMPILE, tunedMalloc(EAGER), tunedMalloc(COMPILE)],
};

/** Chosen works that this machine cannot do, each with the reason. */
export function impossible({ work }, processorHasBf16 = hasBf16()) {
  if (processorHasBf16) return [];
  return works
    .filter(({ id, precision }) => precision === 'bf16' && work.includes(id))
    .map(({ id }) => ({ what: id, reason: 'this processor has neither AVX512_BF16 nor AMX instructions' }));
}

/**
 * One round: jobs of the same kind follow each other, so that all contenders meet the same state of the machine.
 * @param only contenders  @param work ids of works  @param chosen ids of tables
 */
export function planRound({ quick, threads, only, work, chosen }) {
  return works
    .filter(({ id }) => work.includes(id))
    .flatMap((one) => one.parts.flatMap((part) => jobsOf(one, part, quick)))
    .filter(({ contender, answers }) => only.includes(contender) && answers.some(isChosen(chosen)))
    .map((job) => ({ ...job, threads }));
}

const isChosen =
  (chosen) =>
  ({ table }) =>
    chosen.includes(table);

function jobsOf(work, part, quick) {
  const answers = answersOf(work, part);
  if (answers[0].table !== part.id) return []; // the first of them asks for all
  const { id, network, head, precision, pixels } = work;
  const { measure, batch, slow = {} } = part;
  const common = { work: id, measure, batch, network, head, precision, ...pixels, ...SAMPLE, answers };
  const fast = RUNNERS[measure].map((runner) => ({
    ...common,
    numClasses: 10,
    ...amountOf(part, quick),
    ...runner,
  }));
  const { limit } = part.amount;
  const inJavaScript = Object.entries(slow).map(([contender, few]) => ({
    ...common,
    contender,
    limit,
    ...few,
  }));
  return [...fast, ...inJavaScript];
}

/** The tables that a part's jobs have a value for: start-up time and memory are measured together. */
function answersOf({ parts }, { id, quantity, measure }) {
  const together =
    measure === 'startup' ? parts.filter((part) => part.measure === measure) : [{ id, quantity }];
  return together.map((part) => ({
    table: part.id,
    value: measure === 'startup' && part.quantity === 'seconds' ? 'firstStep' : part.quantity,
  }));
}

/** In the contenders' words. `untilLastStep`: where the clock stops. */
function amountOf({ measure, batch, amount }, quick) {
  const { limit, epochs, steps, calls, repetitions } = amount;
  if (measure === 'head') return { ...amount, repetitions: quick ? 3 : repetitions };
  if (measure === 'inference') {
    const few = quick ? Math.ceil(calls / 5) : calls;
    return { limit, calls: few, warmupCalls: Math.ceil(few / 5) };
  }
  if (steps) {
    const count = quick ? 2 : steps;
    return { limit: batch * count, warmupEpochs: 1, epochs: 1, warmupSteps: 2, untilLastStep: true };
  }
  return { limit, warmupEpochs: 1, epochs: quick ? 1 : epochs, warmupSteps: limit / batch };
}

export const jobName = ({ contender, variant }) => (variant ? `${contender} ${variant}` : contender);
