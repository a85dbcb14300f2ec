/** A short training run, here or in a worker thread; this file is also what the worker runs. */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { datasets, schedules, type TrainOptions, train } from '../../lib/index.js';
import { tinyModel } from './tinyModel.js';

const run = async (options: TrainOptions) =>
  train({
    data: await datasets.fashionMnistSample(),
    model: tinyModel,
    batchSize: 100,
    learningRate: schedules.constant(1e-3),
    device: 'cpu',
    threads: 1,
    deterministic: true,
    ...options,
  });

/** All losses of an epoch, and the scores of the test images, as text. */
export async function outcome(seed: number): Promise<string> {
  const losses: number[] = [];
  const { model, test } = await run({ seed, epochs: 1, onStep: ({ loss }) => losses.push(loss) });
  model.dispose();
  return JSON.stringify({ losses, test });
}

type Job =
  | { readonly seed: number }
  /** Trains until something ends it, and says so once it does. */
  | { readonly endless: true; readonly exits?: boolean };

const start = (job: Job) => new Worker(__filename, { workerData: job });

export async function outcomeInWorker(seed: number): Promise<string> {
  const [text] = await once(start({ seed }), 'message');
  return text;
}

/** A worker that is training. */
export async function trainingWorker({ exits = false } = {}): Promise<Worker> {
  const worker = start({ endless: true, exits });
  await once(worker, 'message');
  return worker;
}

async function work(job: Job): Promise<void> {
  if ('seed' in job) return parentPort!.postMessage(await outcome(job.seed));
  await run({
    epochs: 1_000_000,
    onStep: ({ step }) => {
      if (step === 3) parentPort!.postMessage('trains');
      if (step > 100 && job.exits) process.exit(5);
    },
  });
}

if (!isMainThread && workerData !== null) void work(workerData as Job);
