/** One training run: from checked options to a model, its history and its scores. */
import { onAbort, untilAborted } from '../base/abort.js';
import { MarginCoreError } from '../base/errors.js';
import { classNumbers } from '../data/classes.js';
import { checkSplitOfSize, imageSize } from '../data/imageSize.js';
import { type Dataset, progressOf, resolveData } from '../data/index.js';
import { labelsOf, type Samples } from '../data/samples.js';
import { chosenFrom, ofClasses } from '../data/subset.js';
import { placementOfRank } from '../distributed/placement.js';
import type { Ranks } from '../distributed/ranks.js';
import { shardedSession } from '../distributed/shardedSession.js';
import { expectedFirstLoss, type FirstLoss } from '../heads/firstLoss.js';
import { hasMargin } from '../heads/margin.js';
import type { Scores } from '../metrics/accuracy.js';
import { type AngleReport, angleReport } from '../metrics/angles.js';
import { scoreSamples } from '../model/inference.js';
import { Model } from '../model/model.js';
import type { ModelDescriptor } from '../model/modelFile.js';
import { loadPretrained } from '../model/pretrained.js';
import { selectDevice } from '../native/backends.js';
import type { NativeDevice, NativeSession } from '../native/contract.js';
import { describeEnvironment, type Environment, type MemoryPlan } from '../native/environment.js';
import { awaitNative } from '../native/load.js';
import { meanBatch } from './batching.js';
import { isOutOfPatience } from './best.js';
import { BestInMemory } from './bestInMemory.js';
import type { EpochRecord } from './events.js';
import { FolderKeeper } from './folderKeeper.js';
import {
  createSession,
  type EffectiveOptions,
  effectiveOptions,
  isLeader,
  notesOn,
  prepareJob,
  shardsClasses,
  type TrainJob,
} from './job.js';
import { type BestKeeper, type Keeper, type Progress, runEpochs } from './loop.js';
import { headMeasurer } from './measure.js';
import { Notices } from './notices.js';
import { type Observer, Observers, type Preparation, type RunStart } from './observer.js';
import { type StepState, stepStateOf } from './optimizers.js';
import type { TrainSettings } from './options.js';
import { prepareWith } from './preparing.js';
import { begin, followRunFolder, type OpenFolder, openRunFolder } from './resume.js';
import { runFacts } from './runFacts.js';
import { identityOf, rulesOf, StepsHash } from './runIdentity.js';
import type { RunNote } from './runNote.js';
import type { RunState } from './runState.js';
import { imagesToHold, uploadSamples } from './upload.js';

const STREAMED =
  'The training images do not fit into device memory: each batch is uploaded while the one before is computed';

/** What `train()` resolves to. */
export interface TrainResult {
  /** Holds native memory until its `dispose()`. */
  readonly model: Model;
  /** One record per epoch. */
  readonly history: readonly EpochRecord[];
  /** Whose model it is, counted from 1; with `keepBest`. */
  readonly bestEpoch?: number;
  /** Of the very first step, beside that of an untrained network where the head has such an expectation. */
  readonly firstLoss: FirstLoss;
  /** Over all test samples; where the data has any. */
  readonly test?: Scores;
  /** Of the test samples' embeddings; where the data has any, of two or more classes. */
  readonly angles?: AngleReport;
  readonly options: EffectiveOptions;
  /** Everything the user was told on the way, once per code. */
  readonly notes: readonly RunNote[];
  readonly environment: Environment;
  /** Which of the processes that have trained together this is; 0: the first, or the only one. */
  readonly rank: number;
}

/**
 * Every failure is a rejection, of which the observers learn too.
 * @param callbacks Of the user: told last, as what they throw keeps a happening from whoever comes after them.
 * @param ranks That train together
 */
export async function run(
  settings: TrainSettings,
  given: readonly Observer[],
  callbacks: Observer = {},
  ranks?: Ranks,
): Promise<TrainResult> {
  const started = performance.now();
  const firstStep = new FirstStep();
  const notices = new Notices((note) => observers.notice(note));
  const observers = new Observers([...given, firstStep, notices, callbacks]);
  let result: TrainResult | undefined;
  try {
    await observers.open((note) => notices.say(note));
    const job = await prepare(settings, observers, ranks);
    for (const note of notesOn(job)) notices.say(note);
    await ranks?.expectSame({ ...(await identityOf(job)), ...comparisonOf(job) });
    result = await runJob(job, observers, notices, firstStep);
    await observers.end({
      seconds: (performance.now() - started) / 1000,
      ...(result.test && { accuracy: result.test.accuracy }),
      model: result.model,
      samples: job.test ?? job.train,
    });
    return result;
  } catch (thrown) {
    const error = ranks === undefined ? thrown : await ranks.explain(thrown);
    if (result === undefined) await observers.end({ error });
    result?.model.dispose();
    throw error;
  }
}

async function prepare(
  settings: TrainSettings,
  observers: Observers,
  ranks: Ranks | undefined,
): Promise<TrainJob> {
  const { data, model, preprocessing, device, threads, signal } = settings;
  signal?.throwIfAborted();
  const progress = progressOf(data);
  const wanted = { ...(model.input && { input: model.input }), ...(preprocessing && { preprocessing }) };
  const dataset = await prepareWith(observers, {
    stage: 'reading pictures',
    work: resolveData(data, { ...wanted, progress, signal }),
    fraction: () => progress.fraction,
    signal,
  });
  const place = ranks === undefined ? selectDevice : placementOfRank;
  const placement = await untilAborted(place(device, threads), signal);
  return prepareJob(...chosenOf(settings, dataset), placement, ranks);
}

/** The part of the data that is asked for; of images that are scored those of its classes. */
function chosenOf(settings: TrainSettings, dataset: Dataset): [TrainSettings, Dataset] {
  const { classes, validation } = settings;
  const part = chosenFrom(dataset, settings);
  if (classes === undefined || validation === undefined || typeof validation === 'number')
    return [settings, part];
  const { train, classNames, numClasses } = dataset;
  const checked = checkSplitOfSize(validation, imageSize(train.images), numClasses, 'validation');
  const scored = ofClasses(checked, classNumbers(classes, classNames), numClasses);
  if (scored !== undefined) return [{ ...settings, validation: scored }, part];
  throw new MarginCoreError('INVALID_DATA', 'validation: no image is of the chosen classes', {
    details: { option: 'validation' },
  });
}

async function runJob(
  job: TrainJob,
  observers: Observers,
  notices: Notices,
  firstStep: FirstStep,
): Promise<TrainResult> {
  const opened = await (isLeader(job) ? openRunFolder(job) : followRunFolder(job));
  try {
    return await runWith(job, opened, observers, notices, firstStep);
  } finally {
    await opened?.folder?.close();
  }
}

async function runWith(
  job: TrainJob,
  opened: OpenFolder | undefined,
  observers: Observers,
  notices: Notices,
  firstStep: FirstStep,
): Promise<TrainResult> {
  const { signal, keepBest } = job.settings;
  const from = opened?.from;
  const session = createSession(job, { drawWeights: from?.state === undefined });
  const { ranks, session: kept } = together(job, session);
  const model = createModel(job, session);
  // Ranks end at the same step, which is that of a call's end.
  const forgetSignal = job.ranks ? () => {} : onAbort(signal, () => session.cancel());
  try {
    for (const note of opened?.notes ?? []) notices.say(note);
    for (const record of from?.state?.progress.history ?? []) notices.epoch(record);
    const { device, memory, numbers } = await startSession(job, session, model, observers, from?.state);
    if (memory.streamed) notices.say({ code: 'IMAGES_STREAMED', message: STREAMED });
    const stepState = stepStateOf(job.settings);
    const { weights } = job.settings.model;
    if (weights !== undefined && from === undefined) {
      for (const note of await loadPretrained(session, weights, job.input, signal)) notices.say(note);
    }
    if (from) await begin(session, from, stepState, signal);
    await expectSameBeginning(ranks, session, from?.state?.step ?? 0);
    if (from?.state) firstStep.loss = from.state.firstLoss;
    const environment = describeEnvironment(job.placement.backend, device, memory);
    const keeper = await createKeeper(job, opened, kept, { environment, stepState, firstStep, notices });
    const history = await trainModel({ ...job, ...(ranks && { ranks }) }, session, model, observers, {
      ...{ from: from?.state?.progress, keeper, numbers },
    });
    notices.epoch(history.at(-1)!); // which was judged anew where its own callback stopped the run
    const best = keepBest ? await restoreBest(ranks, session, keeper) : undefined;
    await awaitNative(() => session.endTraining());
    const scores = job.test && (await scoreTest(job, session, job.test));
    return {
      model,
      history,
      ...(best !== undefined && { bestEpoch: best }),
      firstLoss: firstLoss(job, session, firstStep),
      ...scores,
      options: effectiveOptions(job, device),
      notes: notices.said,
      environment,
      rank: job.ranks?.rank ?? 0,
    };
  } catch (error) {
    const isKept = keepsModel(error, model) && (await endsTraining(session)) && !signal?.aborted;
    if (!isKept) model.dispose();
    // What breaks off because of the abort is its consequence, not the reason.
    throw signal?.aborted && !isUnsaved(error) ? signal.reason : error;
  } finally {
    forgetSignal();
  }
}

/** Says what training will take, and then takes it: until the first step nothing is left but that. */
async function startSession(
  job: TrainJob,
  session: NativeSession,
  model: Model,
  observers: Observers,
  from: RunState | undefined,
): Promise<{ device: NativeDevice; memory: MemoryPlan; numbers: Int32Array }> {
  const { train, settings } = job;
  const { signal } = settings;
  const { device, memory } = await untilAborted(
    awaitNative(() => session.plan(imagesToHold(train))),
    signal,
  );
  await observers.start({
    ...describeStart(job, model, device, memory, expectation(job, session)),
    done: { steps: from?.step ?? 0, epochs: from?.progress.history.length ?? 0 },
  });
  signal?.throwIfAborted();
  const preparing = <T>(stage: Preparation['stage'], work: Promise<T>) =>
    prepareWith(observers, { stage, work, fraction: () => session.progress(), signal });
  await preparing(
    'drawing weights',
    awaitNative(() => session.open()),
  );
  const numbers = await preparing('uploading images', uploadSamples(session, train, signal));
  return { device, memory: await awaitNative(() => session.memory()), numbers };
}

function expectation({ head, length, settings }: TrainJob, session: NativeSession): number | undefined {
  const { embeddingSize } = session.summary;
  const { sampleClasses: classShare = 1 } = settings;
  return expectedFirstLoss(head, { embeddingSize, steps: length.steps, classShare });
}

function firstLoss(job: TrainJob, session: NativeSession, { loss }: FirstStep): FirstLoss {
  const expected = expectation(job, session);
  return { measured: loss, ...(expected !== undefined && { expected }) };
}

function descriptorOf({ settings, ...job }: TrainJob): ModelDescriptor {
  const { input, head, classNames, normalization, preprocessing } = job;
  const { model: network } = settings;
  return { network, input, head, classNames, normalization, preprocessing };
}

function createModel(job: TrainJob, session: NativeSession): Model {
  return new Model({ ...descriptorOf(job), session, signal: job.settings.signal });
}

/** What keeps the run or its best model; undefined where neither is asked for. */
async function createKeeper(
  job: TrainJob,
  opened: OpenFolder | undefined,
  session: NativeSession,
  run: { environment: Environment; stepState: StepState; firstStep: FirstStep; notices: Notices },
): Promise<BestKeeper | undefined> {
  const { keepBest, monitor, checkpointEvery: every, keepCheckpoints: kept } = job.settings;
  if (!isLeader(job)) return undefined;
  if (opened?.folder === undefined) return keepBest ? new BestInMemory(session, monitor) : undefined;
  const hash = new StepsHash(rulesOf(job), job.length);
  const keeper = new FolderKeeper(
    opened.folder,
    {
      session,
      descriptor: descriptorOf(job),
      stepState: run.stepState,
      identity: opened.identity,
      environment: run.environment,
      length: job.length,
      firstLoss: () => run.firstStep.loss,
      say: (note) => run.notices.say(note),
      stepsHash: (steps) => hash.after(steps),
    },
    { every, kept, monitor: keepBest ? monitor : undefined },
  );
  const progress = opened.from?.state?.progress;
  await (progress === undefined ? keeper.began() : keeper.resumed(progress));
  return keeper;
}

function describeStart(
  job: TrainJob,
  model: Model,
  device: NativeDevice,
  memory: MemoryPlan,
  expectedFirstLoss: number | undefined,
): Omit<RunStart, 'done'> {
  const { head, train, batching, length } = job;
  return {
    head: head.effective,
    hasMargin: hasMargin(head.native),
    options: effectiveOptions(job, device),
    ...(expectedFirstLoss !== undefined && { expectedFirstLoss }),
    samples: train.numbers.length,
    imagesPerStep: meanBatch(batching),
    epochs: length.epochs,
    steps: length.steps,
    parameters: model.summary().parameters,
    embeddingSize: model.embeddingSize,
    device: `${device.device} (${device.description})`,
    memory,
  };
}

/** By which epochs are compared, and the run may end. */
const comparisonOf = ({
  settings: { keepBest, patience, monitor, distributed },
  placement: { backend },
}: TrainJob) => ({
  keepBest,
  // What processes exchange lies with the host, or with GPUs: one of each would wait for ever.
  backend: backend.name,
  ...(distributed !== false && {
    'distributed.head': distributed.head,
    'distributed.syncBatchNorm': distributed.syncBatchNorm,
  }),
  monitor,
  ...(patience !== undefined && { patience }),
});

/** A folder that not all processes see alike, or files that differ. */
async function expectSameBeginning(
  ranks: Ranks | undefined,
  session: NativeSession,
  step: number,
): Promise<void> {
  if (ranks === undefined) return;
  const sum = await awaitNative(() => session.parametersChecksum());
  await ranks.expectSame({ 'step to begin after': step, 'checksum of the weights to begin with': sum });
}

/** Rank 0 keeps it, and the others get it from there. */
async function restoreBest(
  ranks: Ranks | undefined,
  session: NativeSession,
  keeper: BestKeeper | undefined,
): Promise<number | undefined> {
  const best = await keeper?.restoreBest();
  if (ranks === undefined) return best;
  const agreed = (await ranks.agree(best ?? null)) ?? undefined;
  await awaitNative(() => session.takeParametersOfFirst());
  return agreed;
}

/** How the processes of a run hear of one another, and the session as rank 0 may read it for all. */
function together(
  job: TrainJob,
  session: NativeSession,
): { ranks: Ranks | undefined; session: NativeSession } {
  const { ranks } = job;
  return ranks !== undefined && shardsClasses(job) ? shardedSession(session, ranks) : { ranks, session };
}

/** What the loop asks of the other processes, where there are any. */
const agreementOf = ({ ranks }: TrainJob) =>
  ranks && { agree: ranks.agree, reached: ranks.reached, expectSame: ranks.expectSame };

function trainModel(
  job: TrainJob,
  session: NativeSession,
  model: Model,
  observers: Observers,
  started: { from: Progress | undefined; keeper: Keeper | undefined; numbers: Int32Array },
): Promise<EpochRecord[]> {
  const { settings, head, train, validation, order, batching, length, classNames } = job;
  const { learningRate, monitor, patience, signal } = settings;
  // Where each has a part of the model all go all the way.
  const options = { ...(signal && !shardsClasses(job) && { signal }) };
  return runEpochs({
    session,
    model,
    ...batching,
    length,
    order,
    learningRate,
    head,
    facts: runFacts(job, session.summary.embeddingSize),
    ...agreementOf(job),
    ...(shardsClasses(job) && { modelIsPartial: true }),
    signal,
    measure: headMeasurer(session, train, (measurement) => observers.measured(measurement)),
    validate: validation && (() => scoreSamples(session, validation, classNames.length, options)),
    isEnough: (history) => isOutOfPatience(history, monitor, patience),
    ...started,
    observers,
  });
}

/** One pass over the test samples gives both their scores and the embeddings whose angles are reported. */
async function scoreTest(
  { classNames, settings: { signal, threads } }: TrainJob,
  session: NativeSession,
  test: Samples,
): Promise<{ test: Scores; angles?: AngleReport }> {
  const embeddings = new Float32Array(test.numbers.length * session.summary.embeddingSize);
  const scores = await scoreSamples(session, test, classNames.length, {
    embeddings,
    ...(signal && { signal }),
  });
  // On the CPU, where the embeddings are: a card that training has filled may have no room, and a result would be lost to it.
  const place = { device: 'cpu', threads, signal } as const;
  const angles = await angleReport(embeddings, labelsOf(test), classNames.length, place);
  return { test: scores, ...(angles && { angles }) };
}

/** Remembers the very first loss. */
class FirstStep implements Observer {
  loss = Number.NaN;

  step({ step, loss }: Parameters<NonNullable<Observer['step']>>[0]): void {
    if (step === 1) this.loss = loss;
  }
}

/** After a failure: that is what the run rejects with, whatever else fails. */
async function endsTraining(session: NativeSession): Promise<boolean> {
  return awaitNative(() => session.endTraining()).then(
    () => true,
    () => false,
  );
}

/** What the abort should have saved is not: that is more than that it was aborted. */
function isUnsaved(error: unknown): boolean {
  return error instanceof MarginCoreError && error.code === 'FILE_NOT_WRITTEN';
}

/** The error of a run that diverged hands its model over. */
function keepsModel(error: unknown, model: Model): boolean {
  return error instanceof MarginCoreError && error.details.model === model;
}
