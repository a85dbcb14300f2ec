/** `train()`: checks the options, and says who observes the run. */
import { isPromise } from 'node:util/types';
import { withRanks } from './distributed/ranks.js';
import { createLog } from './logs/runLog.js';
import { createProgress } from './report/progress/progress.js';
import type { Observer } from './training/observer.js';
import { resolveTrainOptions, type TrainOptions, type TrainSettings } from './training/options.js';
import { run, type TrainResult } from './training/run.js';

/**
 * Trains a model.
 *
 * Every failure is a rejection: a MarginCoreError for options, data, device or memory; `signal.reason` once that is
 * aborted; and whatever a callback throws. All memory is then released, except where training diverged: a NON_FINITE
 * error keeps the model as it was before that step in `error.details.model`, for the caller to dispose.
 */
export async function train(options: TrainOptions = {}): Promise<TrainResult> {
  // A run that fails before it comes to the data must not leave their failure to nobody.
  if (isPromise(options?.data)) options.data.catch(() => undefined);
  const settings = resolveTrainOptions(options);
  const callbacks = callbacksOf(settings);
  const observers = () => [createLog(settings), createProgress(settings.progress)];
  if (settings.distributed === false) return run(settings, observers(), callbacks);
  return withRanks(settings.distributed, (ranks) => {
    if (ranks.rank === 0) return run(settings, observers(), callbacks, ranks);
    // Files and the display are rank 0's: the others would write the same. An abort is, too: all get it, each at another
    // step, and rank 0 ends the others once it has saved.
    const { signal, ...own } = settings;
    return run(own, [], callbacks, ranks);
  });
}

function callbacksOf({ onStep, onEpoch }: TrainSettings): Observer {
  return {
    ...(onStep && { step: (event, controls) => onStep(event, controls) }),
    ...(onEpoch && { epoch: (event, controls) => onEpoch(event, controls) }),
  };
}
