/**
 * How much memory runs hold, and give back: the program of a process of its own, which prints a JSON object. A run takes
 * far more than allocators keep for themselves, in blocks so large that each goes back to the system by itself.
 */
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import {
  type ImageArray,
  linear,
  type MarginCoreError,
  type Model,
  schedules,
  sequential,
  type TrainOptions,
  train,
} from '../../lib/index.js';

const SIDE = 64;
const IMAGES = 15_000;
/** Few, so that what is computed from an image is little beside the weights */
const FEATURES = 3000;
const MIB = 2 ** 20;

/** MiB: of fp32 weights, and of bytes. */
export const SIZES = {
  parameters: (SIDE * SIDE * FEATURES * 4) / MIB,
  images: (SIDE * SIDE * IMAGES) / MIB,
};

/** MiB that allocators and JavaScript may have come to hold meanwhile. */
export const LITTLE = 25;

/** What a run left resident, in MiB more than before it. */
export interface Left {
  /** The most that was seen after a step */
  training: number;
  /** After it, its model included where there is one */
  ended: number;
  /** After the model's `dispose()` */
  disposed: number;
}

/** Noise, made where it is needed: a test that only reads the sizes does not want it. */
function makeData() {
  const pixels = new Uint8Array(IMAGES * SIDE * SIDE);
  for (let i = 0; i < pixels.length; i++) pixels[i] = Math.imul(i, 2654435761) >>> 24;
  return {
    images: { data: pixels, shape: [IMAGES, SIDE, SIDE, 1] as ImageArray['shape'] },
    labels: Int32Array.from({ length: IMAGES }, (_, i) => i % 2),
  };
}
let data: ReturnType<typeof makeData>;

function resident(): number {
  return (Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * 4096) / MIB;
}

/**
 * Resident MiB: the least of the next second, as soon as it is little: what frees memory is waited for by nobody. Without the garbage
 * collector, which would hide that a run has not given something back itself.
 */
export async function settled(little: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 50; i++) {
    await setTimeout(20);
    least = Math.min(least, resident());
    if (least <= little) break;
  }
  return least;
}

let most = 0;

/** Of one step, unless it is let go on. */
const run = ({ onStep, ...options }: TrainOptions = {}, goesOn = false) =>
  train({
    data,
    model: sequential([linear({ outFeatures: FEATURES })]),
    normalize: 'unit',
    learningRate: schedules.constant(1e-6),
    batchSize: 8,
    epochs: 1,
    device: 'cpu',
    threads: 1,
    ...options,
    onStep: (event, controls) => {
      most = Math.max(most, resident());
      if (!goesOn) controls.stop();
      return onStep?.(event, controls);
    },
  });

/** What it rejects with. */
const failure = (rejecting: Promise<unknown>) =>
  rejecting.then(
    () => Promise.reject(new Error('it went well')),
    (error: unknown) => error,
  );

const fail = () => Promise.reject(new Error('seen enough'));

/** Each with the model that it leaves. */
const CASES: Record<string, () => Promise<Model | undefined>> = {
  'a run that went well': async () => (await run()).model,
  'a run whose onStep throws': async () => void (await failure(run({ onStep: fail }))),
  'a run whose onEpoch throws': async () => void (await failure(run({ onEpoch: fail }))),
  'a run that is aborted': async () => {
    const controller = new AbortController();
    await failure(run({ signal: controller.signal, onStep: () => controller.abort() }));
    return undefined;
  },
  'a run that diverged': async () => {
    const error = (await failure(run({ learningRate: schedules.constant(1e30) }, true))) as MarginCoreError;
    return error.details.model as Model;
  },
  'a model that nobody holds': async () => {
    await run();
    for (let i = 0; i < 10; i++) {
      await setTimeout(10);
      globalThis.gc!();
    }
    return undefined;
  },
};

export async function measure(): Promise<void> {
  data = makeData();
  const left: Record<string, Left> = {};
  await CASES['a run that went well']!().then((model) => model!.dispose()); // what stays loaded
  for (const [name, start] of Object.entries(CASES)) {
    globalThis.gc!();
    const before = await settled(Number.POSITIVE_INFINITY);
    most = 0;
    const model = await start();
    const training = most - before;
    const ended = (await settled(before + LITTLE + (model ? SIZES.parameters : 0))) - before;
    model?.dispose();
    left[name] = { training, ended, disposed: (await settled(before + LITTLE)) - before };
  }
  console.log(JSON.stringify(left));
}
