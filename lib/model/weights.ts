/** Parameters on their way between a session and a file. */
import { turnEventLoop } from '../base/abort.js';
import type { FloatsToWrite } from '../files/safetensors.js';
import { corruptFile, type Part, type TensorFile } from '../files/tensorFile.js';
import type { NativeParameter, NativeSession } from '../native/contract.js';
import { awaitNative, callNative } from '../native/load.js';
import { type Ending, untilEnded } from './inference.js';

/** Tensors of a checkpoint that are none of the model: what the optimizer keeps of each parameter, and what the model is an average of. */
export const OF_TRAINING = /^(optimizer\.\d+|trained):/;

/** A layer may be called 'head.fc', say: those of the head are these. */
export const isOfHead = (name: string): boolean =>
  /^head\.(weight|bias|scale|centers|runningMean|runningVariance)$/.test(name);

/** Numbers that are looked at between two turns of the event loop. */
const PIECE = 2 ** 22;

/** Every parameter, running statistics and centres included, each fetched when it is written. */
export function parameterTensors(
  session: NativeSession,
  dtype: FloatsToWrite['dtype'] = 'F32',
  ending: Ending = {},
): FloatsToWrite[] {
  return callNative(() => session.parameters()).map(({ name, shape }) => ({
    name,
    shape,
    dtype,
    values: async () => [await readParameter(session, name, ending)],
  }));
}

export function readParameter(session: NativeSession, name: string, ending: Ending): Promise<Float32Array> {
  return untilEnded(
    awaitNative(() => session.readParameter(name)),
    ending,
  );
}

/**
 * Throws FILE_CORRUPT unless the file has exactly the session's parameters, by name and shape: before anything is
 * allocated for them.
 */
export function expectParameters(session: NativeSession, file: TensorFile): void {
  const expected = callNative(() => session.parameters());
  for (const { name, shape } of expected) {
    const found = file.tensors.get(name);
    if (found === undefined) throw corruptFile(file.path, `it lacks the tensor '${name}' of its own network`);
    if (String(found.shape) !== String(shape)) {
      throw corruptFile(
        file.path,
        `tensor '${name}' has shape [${found.shape.join(', ')}], its own network expects [${shape.join(', ')}]`,
      );
    }
  }
  const names = new Set(expected.map(({ name }) => name));
  const other = [...file.tensors.keys()].find((name) => !names.has(name) && !OF_TRAINING.test(name));
  if (other !== undefined) throw corruptFile(file.path, `its own network has no tensor '${other}'`);
}

/** Fills the session's parameters. Rejects with FILE_CORRUPT where a value is not finite. */
export async function loadParameters(
  session: NativeSession,
  file: TensorFile,
  parameters: readonly NativeParameter[] = callNative(() => session.parameters()),
  signal?: AbortSignal,
): Promise<void> {
  for (const { name } of parameters) {
    signal?.throwIfAborted();
    const values = await finiteFloats(file, name, signal);
    await awaitNative(() => session.writeParameter(name, values));
  }
}

export async function finiteFloats(
  file: TensorFile,
  name: string,
  signal?: AbortSignal,
  part?: Part,
): Promise<Float32Array> {
  const values = await file.floats(name, part);
  for (let begin = 0; begin < values.length; begin += PIECE) {
    if (begin > 0) await turnEventLoop(signal);
    const end = Math.min(begin + PIECE, values.length);
    for (let i = begin; i < end; i++) {
      if (!Number.isFinite(values[i]!)) {
        throw corruptFile(
          file.path,
          `value ${i + (part?.first ?? 0)} of tensor '${name}' is ${values[i]}: no model predicts anything with that`,
        );
      }
    }
  }
  return values;
}
