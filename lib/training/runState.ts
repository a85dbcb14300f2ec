/** What a checkpoint holds beyond the model, and how it comes back: the optimizer's moments, and where the run stands. */
import { isRecord } from '../base/check.js';
import type { Metadata, TensorToWrite } from '../files/safetensors.js';
import { corruptFile, type TensorFile } from '../files/tensorFile.js';
import type { FirstLoss } from '../heads/firstLoss.js';
import { readMetadata } from '../model/modelFile.js';
import { finiteFloats, loadParameters, parameterTensors } from '../model/weights.js';
import type { NativeSession } from '../native/contract.js';
import type { Environment } from '../native/environment.js';
import { awaitNative, callNative } from '../native/load.js';
import { noSteps } from './epochSums.js';
import type { EpochRecord } from './events.js';
import type { Progress } from './loop.js';
import type { StepState } from './optimizers.js';
import type { Identity } from './runIdentity.js';

/** Plain data. */
export interface RunState {
  /** Steps of the run so far. */
  readonly step: number;
  readonly progress: Progress;
  readonly identity: Identity;
  readonly firstLoss: FirstLoss['measured'];
  /** What computed it: for people. */
  readonly environment: Environment;
}

/** The entry in the metadata. */
const ENTRY = 'training';

export const runMetadata = (state: RunState): Metadata => ({ [ENTRY]: JSON.stringify(state, withNonFinite) });

/** Of a file whose checksum is right. Throws FILE_CORRUPT for a model without a run. */
export function readRunState(file: TensorFile): RunState {
  const state = readMetadata(file, ENTRY, fromNonFinite);
  const isOne =
    isRecord(state) &&
    Number.isSafeInteger(state.step) &&
    isProgress(state.progress) &&
    (state.firstLoss === undefined || isLike(state.firstLoss, 0)) &&
    isIdentity(state.identity);
  if (!isOne) throw corruptFile(file.path, 'it says of no run where that stands');
  return state as unknown as RunState;
}

/** Names of what the optimizer keeps. */
const momentName = (moment: number, parameter: string) => `optimizer.${moment}:${parameter}`;

/** Of what steps change, where the model's parameters are the average of it. */
const trainedName = (parameter: string) => `trained:${parameter}`;

/** All numbers that the next step depends on. */
export function stateTensors(session: NativeSession, { moments, isAveraged }: StepState): TensorToWrite[] {
  const parameters = callNative(() => session.parameters());
  const trained = parameters.filter((parameter) => parameter.trained);
  const numbers = Array.from({ length: moments }, (_, moment) => moment);
  return [
    ...parameterTensors(session),
    ...(isAveraged ? parameters : []).map(({ name, shape }) => ({
      name: trainedName(name),
      shape,
      dtype: 'F32' as const,
      values: async () => [await awaitNative(() => session.readTrainedParameter(name))],
    })),
    ...numbers.flatMap((moment) =>
      trained.map(({ name, shape }) => ({
        name: momentName(moment, name),
        shape,
        dtype: 'F32' as const,
        values: async () => [await awaitNative(() => session.readMoment(name, moment))],
      })),
    ),
  ];
}

/** Puts a session where the checkpoint was taken. */
export async function loadState(
  session: NativeSession,
  file: TensorFile,
  { step }: RunState,
  { moments, isAveraged }: StepState,
  signal?: AbortSignal,
): Promise<void> {
  const parameters = callNative(() => session.parameters());
  await loadParameters(session, file, parameters, signal);
  for (const { name } of isAveraged ? parameters : []) {
    signal?.throwIfAborted();
    const values = await finiteFloats(file, trainedName(name), signal);
    await awaitNative(() => session.writeTrainedParameter(name, values));
  }
  for (let moment = 0; moment < moments; moment++) {
    for (const { name } of parameters.filter(({ trained }) => trained)) {
      signal?.throwIfAborted();
      const values = await finiteFloats(file, momentName(moment, name), signal);
      await awaitNative(() => session.writeMoment(name, moment, values));
    }
  }
  await awaitNative(() => session.setStep(step));
}

/** JSON has no infinity and no NaN, which records may have. */
function withNonFinite(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? { nonFinite: String(value) } : value;
}

function fromNonFinite(_key: string, value: unknown): unknown {
  return isRecord(value) && typeof value.nonFinite === 'string' ? Number(value.nonFinite) : value;
}

function isIdentity(value: unknown): value is Identity {
  return (
    isRecord(value) &&
    [value.data, value.options, value.model].every(isRecord) &&
    Array.isArray(value.classNames) &&
    typeof value.steps === 'string'
  );
}

function isProgress(value: unknown): value is Progress {
  return (
    isRecord(value) &&
    Array.isArray(value.history) &&
    value.history.every(isEpochRecord) &&
    isLike(value.sums, noSteps())
  );
}

const PERCENTILES = [0, 0, 0] as const;

/** What every epoch has: numbers. */
const EPOCH = {
  ...{ epoch: 0, epochs: 0, steps: 0, loss: 0, accuracy: 0, learningRate: 0, meanLearningRate: 0, lambda: 0 },
  ...{ pastPi: 0, gradientNorm: 0, logitGradientNorm: 0, seconds: 0, imagesPerSecond: 0 },
  head: {
    ...{ targetAngle: PERCENTILES, nearestOtherAngle: PERCENTILES, nearestOwn: 0 },
    ...{ featureNorm: PERCENTILES, weightNorm: PERCENTILES, spread: 0 },
  },
} satisfies Omit<EpochRecord, 'diagnoses' | 'margin' | 'validation'>;

function isEpochRecord(value: unknown): boolean {
  if (!isRecord(value) || !isLike(value, EPOCH)) return false;
  const { diagnoses, margin, validation } = value;
  return (
    Array.isArray(diagnoses) &&
    diagnoses.every((each) => isLike(each, { name: '', message: '' })) &&
    (margin === undefined || isLike(margin, { m1: 0, m2: 0, m3: 0 })) &&
    (validation === undefined || isLike(validation, { accuracy: 0, loss: 0 }))
  );
}

/** Whether there is, wherever the example has something, something of its kind. */
function isLike(value: unknown, example: unknown): boolean {
  if (typeof example !== 'object' || example === null) return typeof value === typeof example;
  if (typeof value !== 'object' || value === null || Array.isArray(value) !== Array.isArray(example))
    return false;
  return Object.entries(example).every(([key, each]) =>
    isLike((value as Record<string, unknown>)[key], each),
  );
}
