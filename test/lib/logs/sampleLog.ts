/** A log of a run that never was: always the same bytes. */
import { createLog } from '../../../lib/logs/runLog.js';
import type { EpochEvent, StepEvent } from '../../../lib/training/events.js';
import type { EffectiveOptions } from '../../../lib/training/job.js';
import type { Observer, RunStart } from '../../../lib/training/observer.js';

const STEPS = 4;
const PER_EPOCH = 2;

export const RUN: RunStart = {
  head: { head: 'a-softmax', m: 4, lambda: 5, marginWarmup: 0.5 },
  hasMargin: true,
  options: {
    ...{
      head: 'a-softmax',
      batchSize: 20,
      learningRate: { type: 'constant', value: 0.25 },
      deterministic: true,
    },
    ...{ optimizer: { type: 'sgd', momentum: 0.9 }, model: { name: 'tiny', layers: [{ type: 'relu' }] } },
  } as unknown as EffectiveOptions,
  ...{
    samples: 40,
    imagesPerStep: 20,
    epochs: 2,
    steps: STEPS,
    parameters: 10,
    embeddingSize: 2,
    device: 'cpu',
  },
  done: { steps: 0, epochs: 0 },
  memory: {
    parameters: 0,
    gradients: 0,
    optimizer: 0,
    activations: 0,
    dataset: 0,
    workspace: 0,
    streamed: false,
  },
};

/** Powers of two, so that fp32 has them as they are. */
export const stepEvent = (step: number): StepEvent => ({
  ...{ step, steps: STEPS, epoch: Math.ceil(step / PER_EPOCH), epochs: 2 },
  ...{
    loss: 2 ** -step,
    accuracy: step / 8,
    learningRate: 0.25,
    gradientNorm: step === 4 ? Number.NaN : 2 ** step,
  },
  ...{ logitGradientNorm: 0.5, marginRamp: step / STEPS, lambda: 5, pastPi: 0.125 },
});

export const epochEvent = (epoch: number): EpochEvent => ({
  ...{ epoch, epochs: 2, steps: PER_EPOCH, loss: 1 / epoch, accuracy: epoch / 4, learningRate: 0.25 },
  ...{ meanLearningRate: 0.25, margin: { m1: 4, m2: 0, m3: 0 }, lambda: 5, pastPi: 0.125, gradientNorm: 8 },
  ...{ logitGradientNorm: 0.5, seconds: 2, imagesPerSecond: 16, validation: { accuracy: 0.5, loss: 1.5 } },
  head: {
    ...{ targetAngle: [10, 20, 30], nearestOtherAngle: [40, 50, 60], nearestOwn: 0.75 },
    ...{ featureNorm: [1, 2, 3], weightNorm: [1, 1, 1], spread: 45 },
  },
  diagnoses: [
    { name: 'guessing', message: '' },
    { name: 'collapsed', message: '' },
  ],
});

/** (4, 2), of lengths 1, 2, 3 and one that is not finite; angles in degrees 90 and 45, all the same. */
const MEASUREMENT = {
  embeddings: Float32Array.of(1, 0, 0, 2, -3, 0, Number.POSITIVE_INFINITY, 0),
  angles: Float32Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? Math.PI / 2 : Math.PI / 4)),
  classNorms: Float32Array.of(1, 2, 4),
};

const stop = () => undefined;

/** Milliseconds since 1970: half a second passes each time that somebody looks. */
export function clock(): () => number {
  let now = 1_800_000_000_000;
  return () => {
    now += 500;
    return now;
  };
}

/** @param last The step after which it ends: with the second of an epoch that ends too. */
export async function writeLog(
  logDir: string,
  {
    done = 0,
    last = STEPS,
    now = clock(),
    error,
  }: { done?: number; last?: number; now?: () => number; error?: unknown } = {},
): Promise<Observer> {
  const log = createLog({ logDir, resume: done > 0 }, now) as Required<Observer>;
  await log.open(() => undefined);
  log.notice({ code: 'CPU_TAKEN', message: 'Training on the **CPU**' });
  try {
    await log.start({ ...RUN, done: { steps: done, epochs: Math.floor(done / PER_EPOCH) } });
  } catch (refused) {
    await log.end({ error: refused }); // as a run does
    throw refused;
  }
  for (let step = done + 1; step <= last; step++) {
    log.step(stepEvent(step), { stop });
    if (step % PER_EPOCH > 0) continue;
    log.measured(MEASUREMENT);
    await log.epoch(epochEvent(step / PER_EPOCH), { stop, model: undefined as never });
  }
  await log.end(
    error === undefined ? ({ seconds: 1, accuracy: 0.875 } as Parameters<typeof log.end>[0]) : { error },
  );
  return log;
}
