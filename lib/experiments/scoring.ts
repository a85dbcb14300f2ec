/** What a recipe's models are scored on: test images, classes that they have not seen, or given pairs. */
import { createHash } from 'node:crypto';
import { MarginCoreError } from '../base/errors.js';
import { fingerprint } from '../data/fingerprint.js';
import type { PicturePair } from '../data/formats/lfwPairs.js';
import { openSet } from '../data/openSet.js';
import { allOf } from '../data/samples.js';
import type { Dataset, Split } from '../data/types.js';
import { verificationScores } from '../metrics/verificationScores.js';
import { allPairs } from '../model/pairs.js';
import { cosinesOfPairs } from '../model/picturePairs.js';
import type { TrainResult } from '../training/run.js';
import type { MeasureName, Outcome } from './outcome.js';
import type { RecipeTest } from './recipe.js';

export interface Scoring {
  /** What is trained on. */
  readonly data: Dataset;
  /** What a picture of embeddings shows; of pairs there is none. */
  readonly shown?: { readonly split: Split; readonly classNames: readonly string[] };
  /** All that an outcome depends on in the data, as JSON has it. */
  identity(signal?: AbortSignal): Promise<Readonly<Record<string, unknown>>>;
  score(result: TrainResult, signal?: AbortSignal): Promise<Outcome>;
}

/** Beyond so many classes nobody reads who was taken for whom. */
const MOST_CONFUSED = 100;

/** Throws INVALID_DATA for data that cannot be scored so, INVALID_OPTION for more unseen classes than it can do without. */
export function scoringOf(
  test: RecipeTest | undefined,
  data: Dataset,
  pairs?: readonly PicturePair[],
): Scoring {
  switch (test?.type) {
    case undefined:
    case 'images':
      return onTestImages(data);
    case 'unseenClasses':
      return onUnseenClasses(data, test.count);
    case 'pairs':
      return onPairs(data, pairs);
  }
}

function onTestImages(data: Dataset): Scoring {
  const { test, numClasses } = data;
  if (test === undefined) throw invalid(`${data.name} has no test images, which the recipe is scored on`);
  return {
    data,
    shown: { split: test, classNames: data.classNames },
    identity: async (signal) => ({
      'training images': await identityOf(data.train, signal),
      'test images': await identityOf(test, signal),
    }),
    async score({ model, test: scores, angles }, signal) {
      const outcome = {
        accuracy: scores!.accuracy,
        ...(angles && {
          ownCentre: angles.ownCentreMean,
          nearestOtherCentre: angles.nearestOtherCentreMean,
        }),
      };
      if (numClasses > MOST_CONFUSED) return outcome;
      const { confusion } = await model.evaluate(test, { confusion: true, ...(signal && { signal }) });
      return { ...outcome, confusion: rowsOf(confusion!, numClasses) };
    },
  };
}

function onUnseenClasses(data: Dataset, count: number): Scoring {
  const { seen, unseen } = openSet(data, { unseen: count });
  const { images, labels } = unseen.train;
  const { test: _, ...trained } = seen;
  return {
    data: trained,
    shown: { split: unseen.train, classNames: unseen.classNames },
    identity: async (signal) => ({
      'training images': await identityOf(trained.train, signal),
      'unseen images': await identityOf(unseen.train, signal),
    }),
    async score({ model }, signal) {
      const settings = signal && { signal };
      const embeddings = await model.embed(images, { normalize: true, ...settings });
      const { cosines, isSame } = await allPairs(embeddings, labels, { device: 'cpu', ...settings });
      return outcomeOf(cosines, isSame);
    },
  };
}

function onPairs(data: Dataset, pairs: readonly PicturePair[] | undefined): Scoring {
  if (pairs === undefined || pairs.length === 0) {
    throw invalid('The recipe is scored on pairs of pictures, and none were given (`pairs`)');
  }
  return {
    data,
    identity: async (signal) => ({
      'training images': await identityOf(data.train, signal),
      pairs: createHash('sha256').update(JSON.stringify(pairs)).digest('hex'),
    }),
    async score({ model }, signal) {
      const isSame = pairs.map(({ same }) => same);
      return outcomeOf(await cosinesOfPairs(model, pairs, signal), isSame);
    },
  };
}

async function identityOf(split: Split, signal?: AbortSignal) {
  return await fingerprint(allOf(split), signal);
}

function outcomeOf(cosines: Float32Array, isSame: ArrayLike<boolean | number>): Outcome {
  const { eer, auc, tarAtFar } = verificationScores(cosines, isSame);
  const rates = tarAtFar.flatMap(({ far, tar }) =>
    tar === undefined ? [] : [[`tarAtFar${far}` as MeasureName, tar] as const],
  );
  return { eer, auc, ...Object.fromEntries(rates) };
}

/** (C·C) → C rows */
const rowsOf = (values: Int32Array, columns: number): number[][] =>
  Array.from({ length: columns }, (_, row) => [...values.subarray(row * columns, (row + 1) * columns)]);

const invalid = (message: string) => new MarginCoreError('INVALID_DATA', message);
