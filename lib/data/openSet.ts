/** A data set divided by classes: some to train on, others that training never sees. */
import { checkInteger } from '../base/check.js';
import { MarginCoreError } from '../base/errors.js';
import { checkOptions, integer } from '../base/optionTable.js';
import { FEWEST_CLASSES } from './classes.js';
import { withClasses } from './subset.js';
import type { DataInput, Dataset } from './types.js';
import { checkLoaded } from './validate.js';

/** A data set in two parts that have no class in common. */
export interface OpenSet {
  /** To train on. */
  readonly seen: Dataset;
  /** Of classes that no training sees: for `verify`, `calibrateThreshold` and galleries. */
  readonly unseen: Dataset;
}

const OPEN_SET_OPTIONS = {
  unseen: integer('classes, from the last on, that are not trained on', {
    required: true,
    min: FEWEST_CLASSES,
  }),
} as const;

/**
 * Divides a data set by classes, in their order: the last `unseen` ones are for verification, the others for training. Either part has the
 * training and the test images of its classes, with labels from 0.
 */
export function openSet(data: DataInput, options: { readonly unseen: number }): OpenSet {
  const wanted = checkOptions(options, undefined, OPEN_SET_OPTIONS, '{ unseen: a number of classes }');
  const dataset = checkLoaded(data);
  if (dataset.numClasses < 2 * FEWEST_CLASSES) {
    const message = `data: expected ${2 * FEWEST_CLASSES} classes or more, so that either part has ${FEWEST_CLASSES}, found ${dataset.numClasses}`;
    throw new MarginCoreError('INVALID_DATA', message, { details: { option: 'data' } });
  }
  const unseen = checkInteger(wanted.unseen, 'unseen', {
    min: FEWEST_CLASSES,
    max: dataset.numClasses - FEWEST_CLASSES,
  });
  const seen = dataset.numClasses - unseen;
  const numbers = Array.from({ length: dataset.numClasses }, (_, label) => label);
  return {
    seen: withClasses(dataset, numbers.slice(0, seen)),
    unseen: withClasses(dataset, numbers.slice(seen)),
  };
}
