/** `train()`: from options and data to a model, its history and its scores. */
import { awaitNative } from './addon.js';
import { annealingWarning } from './annealing.js';
import { selectDevice } from './backends.js';
import { hasJoinedTail, stepsPerEpoch } from './batching.js';
import { resolveData, type Split } from './data/index.js';
import { describeEnvironment, type Environment, type MemoryPlan } from './environment.js';
import { MarginCoreError } from './errors.js';
import type { EpochRecord, Scores } from './events.js';
import { expectedFirstLoss, type FirstLoss } from './firstLoss.js';
import { scoreSplit } from './inference.js';
import { type AngleReport, angleReport } from './metrics/angles.js';
import { measureHead, statisticsSample } from './metrics/headStatistics.js';
import { Model } from './model.js';
import type { NativeDevice, NativeSession } from './native.js';
import { resolveTrainOptions, type TrainOptions, type TrainSettings } from './options.js';
import { createProgress } from './report/progress.js';
import type { Progress } from './report/progressTypes.js';
import { hasMargin } from './resolveHead.js';
import {
  createSession,
  type EffectiveOptions,
  effectiveOptions,
  prepareJob,
  type TrainJob,
} from './trainJob.js';
import { runEpochs } from './trainLoop.js';
import { uploadSamples } from './trainingData.js';

const STREAMED =
  'The training images do not fit into device memory: each batch is uploaded while the one before is computed';

export interface TrainResult {
  /** Holds native memory until its `dispose()`. */
  readonly model: Model;
  /** One record per epoch. */
  readonly history: readonly EpochRecord[];
  /** Of the very first step, beside that of an untrained network where the head has such an expectation. */
  readonly firstLoss: FirstLoss;
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
  const placement = await selectDevice(settings.device, settings.threads);
  signal?.throwIfAborted();
  const job = prepareJob(settings, dataset, placement);
  const notes: string[] = [];
  const told = new Set<string>();
  /** Once per `subject`: what recurs may have other numbers in it. */
  const tell = (note: string | undefined, subject = note) => {
    if (note === undefined || subject === undefined || told.has(subject)) return;
    told.add(subject);
    notes.push(note);
    progress.notice(note);
  };
  for (const warning of job.head.warnings) tell(warning);
  if (hasMargin(job.head.native)) {
    tell(annealingWarning(job.head.lambda, settings.epochs * stepsPerEpoch(job.batching)));
  }
  tell(job.placement.note);
  if (job.precision !== settings.precision)
    tell(`Training in ${job.precision}: the CPU has no ${settings.precision}`);
  if (hasJoinedTail(job.batching)) {
    tell(
      'The last batch of an epoch would be one image, without batch statistics: it joins the batch before',
    );
  }

  const session = createSession(job);
  const model = createModel(job, session);
  const cancel = () => session.cancel();
  signal?.addEventListener('abort', cancel);
  try {
    const device = await awaitNative(() => session.open());
    signal?.throwIfAborted();
    const { images, labels } = job.train;
    await uploadSamples(session, images, Int32Array.from(labels.keys()), labels, signal);
    signal?.throwIfAborted();
    const memory = await awaitNative(() => session.memory());
    if (memory.streamed) tell(STREAMED);
    const { history, firstLoss } = await trainModel(job, session, device, memory, model, progress, tell);
    await awaitNative(() => session.endTraining());
    const scores = job.test && (await scoreTest(job, session, job.test));
    return {
      model,
      history,
      firstLoss,
      ...scores,
      options: effectiveOptions(job, device),
      environment: describeEnvironment(job.placement.backend, device, memory, notes),
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

async function trainModel(
  job: TrainJob,
  session: NativeSession,
  device: NativeDevice,
  memory: MemoryPlan,
  model: Model,
  progress: Progress,
  tell: (note: string, subject: string) => void,
): Promise<Pick<TrainResult, 'history' | 'firstLoss'>> {
  const { epochs, seed, learningRate, signal, onStep, onEpoch } = job.settings;
  const { head, validation, batching } = job;
  const numClasses = job.classNames.length;
  const { parameters, embeddingSize } = model.summary();
  const steps = epochs * stepsPerEpoch(batching);
  const expected = expectedFirstLoss(head, { embeddingSize, steps });
  const statistics = statisticsSample(job.train);
  let measured = Number.NaN;
  progress.start({
    head: head.effective.head,
    effective: head.effective,
    ...(expected !== undefined && { expectedFirstLoss: expected }),
    samples: batching.samples,
    epochs,
    steps,
    parameters,
    device: `${device.device} (${device.description})`,
    memory,
  });
  const history = await runEpochs({
    session,
    model,
    ...batching,
    epochs,
    seed,
    learningRate,
    head,
    signal,
    measure: () => measureHead(session, statistics),
    validate:
      validation && (() => scoreSplit(session, validation, numClasses, { ...(signal && { signal }) })),
    onStep: (event, controls) => {
      if (event.step === 1) measured = event.loss;
      progress.step(event);
      return onStep?.(event, controls);
    },
    onEpoch: (event, controls) => {
      progress.epoch(event);
      for (const { name, message } of event.diagnoses) tell(`${name}: ${message}`, name);
      return onEpoch?.(event, controls);
    },
  });
  return { history, firstLoss: { measured, ...(expected !== undefined && { expected }) } };
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
