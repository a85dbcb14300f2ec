/** What is known of a run from its beginning, for the diagnoses of it. */
import { labelsOf } from '../data/samples.js';
import type { RunFacts } from '../diagnoses/facts.js';
import { momentumRange } from '../schedules/momentum.js';
import type { TrainJob } from './job.js';
import { MEASURED_IMAGES } from './measure.js';
import type { TrainSettings } from './options.js';
import { drawsClassesAlike } from './samplers/options.js';

/** With the highest momentum, where the schedule of the rate moves it. */
function optimizerFacts({ optimizer, learningRate }: TrainSettings): RunFacts['optimizer'] {
  return optimizer.type === 'sgd'
    ? { type: 'sgd', momentum: momentumRange(learningRate)?.max ?? optimizer.momentum }
    : optimizer;
}

export function runFacts(
  { settings, head, layerRates, train, validation, length }: TrainJob,
  embeddingSize: number,
): RunFacts {
  const samples = train.numbers.length;
  const classShares = new Float64Array(head.native.numClasses);
  for (const label of labelsOf(train)) classShares[label]! += 1 / samples;
  if (drawsClassesAlike(settings.sampler)) {
    const present = classShares.filter((share) => share > 0).length;
    for (const [label, share] of classShares.entries()) if (share > 0) classShares[label] = 1 / present;
  }
  return {
    head,
    embeddingSize,
    networkRate: layerRates === undefined ? 1 : Math.max(...layerRates),
    optimizer: optimizerFacts(settings),
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
