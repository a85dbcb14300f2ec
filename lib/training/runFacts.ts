/** What is known of a run from its beginning, for the diagnoses of it. */
import { labelsOf } from '../data/samples.js';
import type { RunFacts } from '../diagnoses/facts.js';
import type { TrainJob } from './job.js';
import { MEASURED_IMAGES } from './measure.js';

export function runFacts(
  { settings, head, layerRates, train, validation, length }: TrainJob,
  embeddingSize: number,
): RunFacts {
  const samples = train.numbers.length;
  const classShares = new Float64Array(head.native.numClasses);
  for (const label of labelsOf(train)) classShares[label]! += 1 / samples;
  return {
    head,
    embeddingSize,
    networkRate: layerRates === undefined ? 1 : Math.max(...layerRates),
    optimizer: settings.optimizer,
    ...(settings.clipGradients !== undefined && { clipGradients: settings.clipGradients }),
    images: {
      training: samples,
      measured: Math.min(samples, MEASURED_IMAGES),
      validation: validation?.numbers.length ?? 0,
    },
    steps: length.steps,
    classShares,
  };
}
