import type { Samples } from '../data/samples.js';
import { imagesOf, labelsOf } from '../data/samples.js';
import type { NativeSession } from '../native/contract.js';
import { awaitNative } from '../native/load.js';

export async function uploadSamples(session: NativeSession, samples: Samples): Promise<void> {
  await awaitNative(() => session.setTrainingData(imagesOf(samples).data, labelsOf(samples)));
}
