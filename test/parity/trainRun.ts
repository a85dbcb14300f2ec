/** `train()` with the options of train_reference.json, and everything of the run that is compared. */
import { models, type RunOptions, type StepEvent, type TrainOptions, train } from '../../lib/index.js';
import type { NativeSession, NativeSessionConfig } from '../../lib/native/contract.js';
import { native } from '../../lib/native/load.js';
import { readSample } from './referenceRun.js';
import type { TrainCase } from './trainReference.js';

const SIDE = 16;

/** Two parts of each image of the sample as channels, the second inverted: (N, 16, 16, 2). */
export const twoChannels = once(() => {
  const { images: whole, labels } = readSample();
  const images = new Uint8Array(labels.length * SIDE * SIDE * 2);
  for (let image = 0, at = 0; image < labels.length; image++) {
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        images[at++] = whole[image * 784 + (y + 6) * 28 + x + 6]!;
        images[at++] = 255 - whole[image * 784 + (y + 2) * 28 + x + 10]!;
      }
    }
  }
  return { images, labels };
});

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

type Part = { images: { data: Uint8Array; shape: [number, number, number, number] }; labels: Int32Array };

function dataOf({ images: counts }: TrainCase): Partial<Record<keyof TrainCase['images'], Part>> {
  const { images, labels } = twoChannels();
  const size = SIDE * SIDE * 2;
  let first = 0;
  const parts = Object.entries(counts).map(([name, count]): [string, Part] => {
    const [start, end] = [first, first + count];
    first = end;
    const data = images.slice(start * size, end * size);
    return [name, { images: { data, shape: [count, SIDE, SIDE, 2] }, labels: labels.slice(start, end) }];
  });
  return Object.fromEntries(parts);
}

const rateOfFunction: RunOptions['learningRate'] = ({ step, steps, epoch, epochs }) =>
  (0.01 * (epochs - epoch)) / epochs + (0.002 * step) / steps;

/** Keeps what `train()` makes its session of, and the session. */
function watchSessions() {
  const { Session } = native();
  const made: { session: NativeSession; config: NativeSessionConfig }[] = [];
  const spy = jest.spyOn(native(), 'Session').mockImplementation((config) => {
    const session = new Session(config);
    made.push({ session, config });
    return session;
  });
  return {
    made,
    create: (config: NativeSessionConfig) => new Session(config),
    end: () => spy.mockRestore(),
  };
}

async function parameters(session: NativeSession): Promise<Record<string, Float32Array>> {
  const values: Record<string, Float32Array> = {};
  for (const { name } of session.parameters()) values[name] = await session.readParameter(name);
  return values;
}

/** `train()` as a user calls it. */
export async function runTrain(backend: 'cpu' | 'cuda', given: TrainCase) {
  const { train: trained, test, validation } = dataOf(given);
  const { learningRate, ...options } = given.options;
  const steps: StepEvent[] = [];
  const watched = watchSessions();
  try {
    const result = await train({
      data: { ...trained!, classNames: Array.from('0123456789'), ...(test && { test }) },
      ...(validation && { validation }),
      ...options,
      learningRate: learningRate === 'function' ? rateOfFunction : learningRate,
      model: models.seedCnn({ embeddingSize: 16 }),
      device: backend,
      threads: 2,
      deterministic: true,
      precision: 'fp32',
      onStep: (event) => steps.push(event),
    } as TrainOptions);
    using model = result.model;
    const { session, config } = watched.made[0]!;
    const fresh = watched.create(config);
    try {
      await fresh.open();
      const [initial, final] = [await parameters(fresh), await parameters(session)];
      return {
        steps,
        ...result,
        initial,
        moved: Object.fromEntries(
          Object.entries(final).map(([name, values]) => {
            return [name, values.map((value, index) => value - initial[name]![index]!)];
          }),
        ),
        normalization: model.normalization,
        ofTest: test && {
          embeddings: (await model.embed(test.images, { normalize: false })).data,
          probabilities: (await model.predict(test.images)).probabilities,
        },
      };
    } finally {
      fresh.dispose();
    }
  } finally {
    watched.end();
  }
}

export type Received = Awaited<ReturnType<typeof runTrain>>;
