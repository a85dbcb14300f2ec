/** How well a classifier does, class by class and in its probabilities, from scores or probabilities (N, C) and labels (N). */
import { turnEventLoop } from '../base/abort.js';
import { checkBoolean, checkSignal, isTypedArray } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';
import { checkOptions, integer, option } from '../base/optionTable.js';
import { argmax, lnSumExp } from './accuracy.js';
import { Calibrations, type ReliabilityBin } from './calibration.js';
import { checkRanks } from './ranks.js';

/** Each measure where nothing can be divided by is 0, as scikit-learn has it with zero_division=0. */
export interface ClassScores {
  /** TP / (TP + FP): 0 for a class that is never predicted. */
  readonly precision: number;
  /** TP / (TP + FN): 0 for a class without samples. */
  readonly recall: number;
  /** 2·TP / (2·TP + FP + FN): 0 for a class that is neither there nor predicted. */
  readonly f1: number;
}

/** What `classificationReport` resolves to. Rates are fractions. */
export interface ClassificationReport {
  readonly samples: number;
  readonly numClasses: number;
  /** Fraction of the samples whose label has the largest value; the first of equals counts as the largest. */
  readonly accuracy: number;
  /** Fraction whose label is among the k largest: of equals the lower class comes first. All of them where k is numClasses or more. */
  readonly topK: readonly { readonly k: number; readonly accuracy: number }[];
  /** (numClasses) */
  readonly perClass: readonly (ClassScores & {
    /** Samples of the class */
    readonly support: number;
  })[];
  /** Mean over the classes that have samples or are predicted. */
  readonly macro: ClassScores;
  /** Mean over the classes, by their samples. */
  readonly weighted: ClassScores;
  /** Mean of −ln p(label). */
  readonly nll: number;
  /** Expected calibration error: Σ |B_m|/N · |accuracy(B_m) − confidence(B_m)| (Guo et al. 2017, equation 3). */
  readonly ece: number;
  /** What the error is made of, and what a reliability diagram shows. */
  readonly reliability: readonly ReliabilityBin[];
  /** (numClasses, numClasses) counts, row = label, column = prediction; where asked for. */
  readonly confusion?: Int32Array;
}

/** Row-major (N, C); a `Prediction` is one of probabilities. */
export type ClassOutputs = { readonly scores: Float32Array } | { readonly probabilities: Float32Array };

/** What `classificationReport` counts. */
export interface ClassificationOptions {
  /** Default [1, 5]. */
  topK?: readonly number[];
  /** Of confidence, all as wide. Default 15. */
  bins?: number;
  /** Count predictions per class: numClasses² numbers. Default false. */
  confusion?: boolean;
  signal?: AbortSignal;
}

const OPTIONS = {
  topK: option('', checkRanks, { default: [1, 5] }),
  bins: integer('', { default: 15, min: 1, max: 10_000 }),
  confusion: option('', checkBoolean, { default: false }),
  signal: option('', checkSignal),
} as const;

/** Numbers between two turns of the event loop: some 10 ms. */
const SLICE = 2 ** 20;

/** The least above 0 that fp32 has: what a probability that rounded to 0 counts as. */
const LEAST = 2 ** -149;

/** Of a row of probabilities, from 1: what fp32 makes of tens of thousands of them, and no scores are within. */
const SUM_TOLERANCE = 1e-3;

/**
 * @param outputs Margin-free scores, whose softmax are the probabilities; or those. The mean of −ln p is exact from scores; of
 *   probabilities one of 0 counts as 2⁻¹⁴⁹, the least that fp32 has.
 * @param labels (N)
 * @throws INVALID_DATA for no samples, labels that are no classes, numbers that are not finite, and rows of probabilities that are none;
 *   SHAPE_MISMATCH where the numbers are no rows, one for each label; OUT_OF_MEMORY for a confusion that there is no room for.
 */
export async function classificationReport(
  outputs: ClassOutputs,
  labels: ArrayLike<number>,
  options: ClassificationOptions = {},
): Promise<ClassificationReport> {
  const { signal, ...settings } = checkOptions(options, undefined, OPTIONS);
  const { values, areProbabilities } = valuesOf(outputs);
  const numClasses = checkShape(values, labels);
  const tally = new ClassificationTally(numClasses, settings, areProbabilities);
  const classes = checkLabels(labels, numClasses);
  const rows = Math.max(1, Math.floor(SLICE / numClasses));
  for (let first = 0; first < classes.length; first += rows) {
    await turnEventLoop(signal);
    const end = first + rows;
    tally.add(values.subarray(first * numClasses, end * numClasses), classes.subarray(first, end));
  }
  return tally.result();
}

/** Adds up batch by batch what a report tells. */
export class ClassificationTally {
  readonly #ranks: readonly number[];
  readonly #within: Float64Array;
  readonly #right: Float64Array;
  readonly #predicted: Float64Array;
  readonly #support: Float64Array;
  readonly #confusion: Int32Array | undefined;
  readonly #calibration: Calibrations;
  #samples = 0;
  #nll = 0;

  constructor(
    readonly numClasses: number,
    {
      topK = OPTIONS.topK.default,
      bins = OPTIONS.bins.default,
      confusion = false,
    }: ClassificationOptions = {},
    readonly areProbabilities = false,
  ) {
    this.#ranks = topK;
    this.#within = new Float64Array(topK.length);
    this.#right = new Float64Array(numClasses);
    this.#predicted = new Float64Array(numClasses);
    this.#support = new Float64Array(numClasses);
    this.#calibration = new Calibrations(bins);
    if (confusion) this.#confusion = emptyConfusion(numClasses);
  }

  /** @param values (N, C): finite, and probabilities where they were said to be @param labels (N) */
  add(values: Float32Array, labels: Int32Array): void {
    for (const [row, label] of labels.entries()) this.#addRow(values, row * this.numClasses, label);
  }

  #addRow(values: Float32Array, start: number, label: number): void {
    const { numClasses } = this;
    expectRow(values, start, numClasses, this.areProbabilities, this.#samples);
    const predicted = argmax(values, start, numClasses);
    const largest = values[start + predicted]!;
    const ofLabel = values[start + label]!;
    const isRight = predicted === label;
    if (this.areProbabilities) {
      this.#nll -= Math.log(Math.max(ofLabel, LEAST));
      this.#calibration.add(largest, isRight);
    } else {
      const normalizer = lnSumExp(values, start, numClasses, largest);
      this.#nll += normalizer - ofLabel;
      this.#calibration.add(Math.exp(largest - normalizer), isRight);
    }
    this.#samples += 1;
    this.#support[label]! += 1;
    this.#predicted[predicted]! += 1;
    if (isRight) this.#right[label]! += 1;
    if (this.#confusion) this.#confusion[label * numClasses + predicted]! += 1;
    const rank = isRight ? 0 : rankOf(values, start, numClasses, label);
    for (const [index, k] of this.#ranks.entries()) if (rank < k) this.#within[index]! += 1;
  }

  /** Of all that was added. */
  result(): ClassificationReport {
    const samples = this.#samples;
    const perClass = Array.from(this.#support, (support, label) => ({
      ...classScores(this.#right[label]!, this.#predicted[label]!, support),
      support,
    }));
    const isThere = (label: number) => this.#support[label]! + this.#predicted[label]! > 0;
    return {
      samples,
      numClasses: this.numClasses,
      accuracy: total(this.#right) / samples,
      topK: this.#ranks.map((k, index) => ({ k, accuracy: this.#within[index]! / samples })),
      perClass,
      macro: meanScores(perClass, (label) => (isThere(label) ? 1 : 0)),
      weighted: meanScores(perClass, (label) => this.#support[label]!),
      nll: this.#nll / samples,
      ...this.#calibration.result(),
      ...(this.#confusion && { confusion: this.#confusion }),
    };
  }
}

/** Classes that come before the label: of larger values, or equal and lower. */
function rankOf(values: Float32Array, start: number, columns: number, label: number): number {
  const own = values[start + label]!;
  let before = 0;
  for (let column = 0; column < columns; column++) {
    const value = values[start + column]!;
    if (value > own || (value === own && column < label)) before += 1;
  }
  return before;
}

function classScores(right: number, predicted: number, support: number): ClassScores {
  return {
    precision: ratio(right, predicted),
    recall: ratio(right, support),
    f1: ratio(2 * right, predicted + support),
  };
}

function meanScores(perClass: readonly ClassScores[], weightOf: (label: number) => number): ClassScores {
  const weights = perClass.map((_, label) => weightOf(label));
  const sum = total(weights);
  const mean = (of: keyof ClassScores) =>
    ratio(total(perClass.map((scores, label) => scores[of] * weights[label]!)), sum);
  return { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') };
}

const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);

const total = (values: ArrayLike<number>) => Array.prototype.reduce.call(values, add, 0) as number;
const add = (sum: unknown, value: number) => (sum as number) + value;

/** (C, C) zeros. Throws OUT_OF_MEMORY where there is no room for them. */
export function emptyConfusion(numClasses: number): Int32Array {
  try {
    return new Int32Array(numClasses * numClasses);
  } catch (cause) {
    throw new MarginCoreError(
      'OUT_OF_MEMORY',
      `There is no memory for the confusion of ${numClasses} classes, a number for each pair of them`,
      { cause, details: { needed: numClasses ** 2 * Int32Array.BYTES_PER_ELEMENT } },
    );
  }
}

// ---- checks ---------------------------------------------------------------------------------------------------------

function valuesOf(outputs: unknown): { values: Float32Array; areProbabilities: boolean } {
  const { scores, probabilities } = (outputs ?? {}) as { scores?: unknown; probabilities?: unknown };
  const values = scores ?? probabilities;
  const isOne = (scores === undefined) !== (probabilities === undefined);
  if (isOne && Object.prototype.toString.call(values) === '[object Float32Array]') {
    return { values: values as Float32Array, areProbabilities: scores === undefined };
  }
  throw invalidOption('outputs', '{ scores: Float32Array } or { probabilities: Float32Array }', outputs);
}

/** The number of classes. */
function checkShape(values: Float32Array, labels: unknown): number {
  if (!Array.isArray(labels) && !isTypedArray(labels)) {
    throw invalidOption('labels', 'an array of classes', labels);
  }
  if (labels.length === 0) throw new MarginCoreError('INVALID_DATA', 'Expected samples, found none');
  const numClasses = values.length / labels.length;
  if (Number.isInteger(numClasses) && numClasses > 0) return numClasses;
  throw new MarginCoreError(
    'SHAPE_MISMATCH',
    `outputs: expected as many numbers for each of ${labels.length} labels, found ${values.length} in all`,
  );
}

function checkLabels(labels: ArrayLike<number>, numClasses: number): Int32Array {
  for (let sample = 0; sample < labels.length; sample++) {
    const label = labels[sample]!;
    if (Number.isInteger(label) && label >= 0 && label < numClasses) continue;
    throw new MarginCoreError(
      'INVALID_DATA',
      `labels: expected classes from 0 to ${numClasses - 1}, found ${label} for sample ${sample}`,
    );
  }
  return labels instanceof Int32Array ? labels : Int32Array.from(labels);
}

function expectRow(
  values: Float32Array,
  start: number,
  columns: number,
  areProbabilities: boolean,
  sample: number,
): void {
  let sum = 0;
  let least = 0;
  for (let at = start; at < start + columns; at++) {
    sum += values[at]!;
    least = Math.min(least, values[at]!);
  }
  if (!Number.isFinite(sum)) throw wrongRow('finite numbers', `a sum of ${sum}`, sample);
  if (!areProbabilities) return;
  if (least < 0 || Math.abs(sum - 1) > SUM_TOLERANCE) {
    throw wrongRow('probabilities, which sum to 1', `the least ${least} and a sum of ${sum}`, sample);
  }
}

const wrongRow = (expected: string, found: string, sample: number) =>
  new MarginCoreError('INVALID_DATA', `outputs: expected ${expected}, found ${found} for sample ${sample}`);
