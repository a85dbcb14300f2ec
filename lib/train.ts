/** `train()`: from options and data to a model, its history and its scores. */
import { awaitNative } from './addon.js';
import { resolveData, type Split } from './data/index.js';
import { describeEnvironment, type Environment } from './environment.js';
import { MarginCoreError } from './errors.js';
import type { EpochRecord, Scores } from './events.js';
import { expectedFirstLoss } from './heads.js';
import { scoreSplit } from './inference.js';
import { type AngleReport, angleReport } from './metrics/angles.js';
import { Model } from './model.js';
import type { NativeDevice, NativeSession } from './native.js';
import { resolveTrainOptions, type TrainOptions, type TrainSettings } from './options.js';
import { createProgress } from './report/progress.js';
import type { Progress } from './report/progressTypes.js';
import {
  createSession,
  type EffectiveOptions,
  effectiveOptions,
  prepareJob,
  type TrainJob,
} from './trainJob.js';
import { runEpochs, stepsPerEpoch } from './trainLoop.js';

export interface TrainResult {
  /** Holds native memory until its `dispose()`. */
  readonly model: Model;
  /** One record per epoch. */
  readonly history: readonly EpochRecord[];
  /** Over all test samples; where the data has any. */
  readonly test?: Scores;
  /** Of the test samples' embeddings; where the data has any, of two or more classes. */
  readonly angles?: AngleReport;
  readonly options: EffectiveOptions;
  readonly environment: Environment;
}

/**
 * Trains a model.
 *
 * Every failure is a rejection: a MarginCoreError for options, data, device or memory; `signal.reason` once that is
 * aborted; and whatever a callback throws. All memory is then released, except where training diverged: a NON_FINITE
 * error keeps the model as it was before that step in `error.details.model`, for the caller to dispose.
 */
export async function train(options: TrainOptions = {}): Promise<TrainResult> {
  const settings = resolveTrainOptions(options);
  settings.signal?.throwIfAborted();
  const progress = createProgress(settings.progress);
  const started = performance.now();
  try {
    const result = await run(settings, progress);
    const seconds = (performance.now() - started) / 1000;
    progress.end({ seconds, ...(result.test && { accuracy: result.test.accuracy }) });
    return result;
  } catch (error) {
    progress.end({ error });
    throw error;
  }
}

async function run(settings: TrainSettings, progress: Progress): Promise<TrainResult> {
  const { signal } = settings;
  const dataset = await resolveData(settings.data);
  signal?.throwIfAborted();
  const job = prepareJob(settings, dataset);
  const notes = [...job.head.warnings, ...(job.placement.note === undefined ? [] : [job.placement.note])];
  for (const note of notes) progress.notice(note);

  const session = createSession(job);
  const model = createModel(job, session);
  const cancel = () => session.cancel();
  signal?.addEventListener('abort', cancel);
  try {
    const device = await awaitNative(() => session.open());
    signal?.throwIfAborted();
    const { images, labels } = job.train;
    await awaitNative(() => session.setTrainingData(images.data, labels));
    signal?.throwIfAborted();
    const history = await trainModel(job, session, device, model, progress);
    await awaitNative(() => session.endTraining());
    const scores = job.test && (await scoreTest(job, session, job.test));
    return {
      model,
      history,
      ...scores,
      options: effectiveOptions(job, device),
      environment: describeEnvironment(job.placement.backend, device, notes),
    };
  } catch (error) {
    if (keepsModel(error, model) && !signal?.aborted) await awaitNative(() => session.endTraining());
    else model.dispose();
    // What breaks off because of the abort is its consequence, not the reason.
    throw signal?.aborted ? signal.reason : error;
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

function createModel(
  { settings, input, head, classNames, normalization }: TrainJob,
  session: NativeSession,
): Model {
  return new Model({ name: settings.model.name, session, input, head, classNames, normalization });
}

function trainModel(
  job: TrainJob,
  session: NativeSession,
  device: NativeDevice,
  model: Model,
  progress: Progress,
): Promise<EpochRecord[]> {
  const { epochs, batchSize, seed, learningRate, signal, onStep, onEpoch } = job.settings;
  const { head, validation } = job;
  const numClasses = job.classNames.length;
  const samples = job.train.labels.length;
  const { parameters, embeddingSize } = model.summary();
  const expected = expectedFirstLoss(head, embeddingSize);
  progress.start({
    head: head.effective.head,
    effective: head.effective,
    ...(expected !== undefined && { expectedFirstLoss: expected }),
    samples,
    epochs,
    steps: epochs * stepsPerEpoch({ samples, batchSize }),
    parameters,
    device: `${device.device} (${device.description})`,
  });
  return runEpochs({
    session,
    model,
    samples,
    epochs,
    batchSize: Math.min(batchSize, samples),
    seed,
    learningRate,
    marginWarmup: head.marginWarmup,
    signal,
    validate:
      validation && (() => scoreSplit(session, validation, numClasses, { ...(signal && { signal }) })),
    onStep: (event, controls) => {
      progress.step(event);
      return onStep?.(event, controls);
    },
    onEpoch: (event, controls) => {
      progress.epoch(event);
      return onEpoch?.(event, controls);
    },
  });
}

/** One pass over the test samples gives both their scores and the embeddings whose angles are reported. */
async function scoreTest(
  { classNames, settings: { signal } }: TrainJob,
  session: NativeSession,
  test: Split,
): Promise<{ test: Scores; angles?: AngleReport }> {
  const embeddings = new Float32Array(test.labels.length * session.summary.embeddingSize);
  const scores = await scoreSplit(session, test, classNames.length, {
    embeddings,
    ...(signal && { signal }),
  });
  const angles = await angleReport(embeddings, test.labels, classNames.length, signal);
  return { test: scores, ...(angles && { angles }) };
}

/** The error of a run that diverged hands its model over. */
function keepsModel(error: unknown, model: Model): boolean {
  return error instanceof MarginCoreError && error.details.model === model;
}
