/** A model from its file: everything about it is checked before memory is taken for it. */
import { untilAborted } from '../base/abort.js';
import { TensorFile } from '../files/tensorFile.js';
import { type Device, selectDevice } from '../native/backends.js';
import type { NativeSession } from '../native/contract.js';
import { awaitNative, callNative, native } from '../native/load.js';
import { type Precision, precisionOn } from '../native/precision.js';
import { believing, type ModelDescriptor, readDescriptor } from './modelFile.js';
import { expectParameters, loadParameters } from './weights.js';

export interface LoadOptions {
  /** Default 'auto' */
  readonly device: Device;
  readonly threads?: number;
  readonly precision: Precision;
  readonly signal?: AbortSignal;
}

/** The optimizer of a session that does not train. */
export const NO_OPTIMIZER = {
  type: 'sgd',
  momentum: 0,
  nesterov: false,
  beta1: 0,
  beta2: 0,
  epsilon: 1,
  weightDecay: 0,
  headLr: 1,
} as const;

export async function loadModel(
  path: string,
  { device, threads, precision, signal }: LoadOptions,
): Promise<{ descriptor: ModelDescriptor; session: NativeSession }> {
  const file = await TensorFile.open(path);
  try {
    signal?.throwIfAborted();
    const descriptor = readDescriptor(file);
    const { backend, deviceIndex, threads: used } = await selectDevice(device, threads);
    const { network, input, head, normalization } = descriptor;
    const { layers, init } = network;
    const session = believing(file, () =>
      callNative(
        () =>
          new (native().Session)({
            ...{ backend: backend.name, deviceIndex, threads: used, deterministic: false },
            precision: precisionOn(backend.name, precision),
            seed: 0,
            network: { input: [...input], layers: [...layers], ...(init !== undefined && { init }) },
            head: head.native,
            mean: normalization.mean,
            std: normalization.std,
            batchSize: 0,
            optimizer: NO_OPTIMIZER,
            drawWeights: false,
          }),
      ),
    );
    try {
      expectParameters(session, file);
      await awaitNative(() => session.plan(0)); // a file may be nothing but a size
      if (file.hasChecksum) await file.verify(signal);
      await untilAborted(
        awaitNative(() => session.open()),
        signal,
      );
      await loadParameters(session, file, undefined, signal);
    } catch (error) {
      session.dispose();
      throw error;
    }
    return { descriptor, session };
  } finally {
    await file.close();
  }
}
