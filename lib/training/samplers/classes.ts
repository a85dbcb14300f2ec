import { sortedByClass } from '../../data/samples.js';

/** The samples by their classes. */
export interface Classes {
  /** Places among the samples, by class: those of class c from `starts[c]` to before `starts[c + 1]`. */
  readonly order: Int32Array;
  readonly starts: Int32Array;
  /** Classes that have samples. */
  readonly present: Int32Array;
}

export function classesOf(labels: Int32Array, numClasses: number): Classes {
  const { order, starts } = sortedByClass(labels, numClasses);
  const present = Int32Array.from(Array(numClasses).keys()).filter(
    (label) => starts[label + 1]! > starts[label]!,
  );
  return { order, starts, present };
}
