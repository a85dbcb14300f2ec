/** How well embeddings tell classes apart, seen from a sample: by its neighbours, by the centres of classes, by angles. */
import { checkSignal, isTypedArray } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';
import { checkOptions, option } from '../base/optionTable.js';
import { type Device, PLACEMENT_OPTIONS } from '../native/backends.js';
import { nearestInPieces, type SearchOptions } from '../native/searchIndex.js';
import { type AngleReport, anglesToCentres, reportOf } from './angles.js';
import { classCentres, type Directions, directionsOf } from './directions.js';
import { checkEmbeddings, type Embeddings } from './embeddings.js';
import { type NeighbourScores, NeighbourTally } from './neighbours.js';
import { checkRanks } from './ranks.js';

/** What `embeddingReport` resolves to. Rates are fractions. */
export interface EmbeddingReport extends NeighbourScores {
  readonly samples: number;
  /** Of the references */
  readonly numClasses: number;
  /** Samples of zeros: without direction they are nobody's neighbour, have none, and count as wrong in every measure. */
  readonly withoutDirection: number;
  /**
   * Fraction of the samples to whose direction no class's centre is nearer than their own's. A centre is the mean direction of the
   * class's references, of which a sample is one where there is no gallery; of equal ones the class that appears first counts as nearer.
   */
  readonly nearestCentroid: number;
  /** To the references' centres, own: NaN for a sample whose class has none. Undefined where the references are of one class. */
  readonly angles: AngleReport | undefined;
}

/** Embeddings that samples are compared with. */
export interface References {
  readonly embeddings: Embeddings;
  /** (M): a class for each embedding */
  readonly labels: ArrayLike<number | string>;
}

/** What `embeddingReport` compares with what, and where. */
export interface EmbeddingReportOptions {
  /** How many neighbours vote: all where there are fewer. Default [1, 5, 10]. */
  k?: readonly number[];
  /** What to search. Default: the samples themselves, each of which is no neighbour of itself. */
  gallery?: References;
  /** Where to search. Default 'auto'. */
  device?: Device;
  threads?: number;
  signal?: AbortSignal;
}

const REFERENCES = {
  embeddings: option('', checkEmbeddings, { required: true }),
  labels: option('', checkLabels, { required: true }),
} as const;
const OPTIONS = {
  ...PLACEMENT_OPTIONS,
  k: option('', checkRanks, { default: [1, 5, 10] }),
  gallery: option('', (value, name) => checkOptions(value, name, REFERENCES)),
  signal: option('', checkSignal),
} as const;

/**
 * Neighbours are the nearest by cosine, found by exact search in fp32; of equal ones that with the lower number comes first. Where classes
 * have as many votes of k neighbours, the nearest neighbour among them decides.
 * @param labels (N): a class for each embedding
 * @throws INVALID_DATA without samples or without references, and for embeddings and labels that are not finite; SHAPE_MISMATCH for
 *   other than N·D numbers, and a gallery of embeddings of another size.
 */
export async function embeddingReport(
  embeddings: Embeddings,
  labels: ArrayLike<number | string>,
  options: EmbeddingReportOptions = {},
): Promise<EmbeddingReport> {
  const { k, gallery, ...search } = checkOptions(options, undefined, OPTIONS);
  const given = {
    embeddings: checkEmbeddings(embeddings, 'embeddings'),
    labels: checkLabels(labels, 'labels'),
  };
  if (gallery !== undefined) expectSameSize(gallery.embeddings, given.embeddings);
  const classes = new Map<number | string, number>();
  const references = gallery && (await labelled(gallery, classes, 'gallery.', search.signal));
  const ofReferences = classes.size;
  const samples = await labelled(given, classes, '', search.signal);
  const among = references ?? samples;

  const centres = await classCentres(among.directions, among.labels, classes.size, search.signal);
  const toCentres = await anglesToCentres(samples.directions, samples.labels, centres, search);
  const tally = new NeighbourTally(k, classes.size);
  await tallyNeighbours(tally, samples, among, search);
  const count = samples.labels.length;
  return {
    samples: count,
    numClasses: references ? ofReferences : classes.size,
    withoutDirection: count - samples.directions.numbers.length,
    nearestCentroid: toCentres.isNearestOwn.reduce((sum, one) => sum + one, 0) / count,
    ...tally.result(),
    angles: await reportOf(toCentres, centres, search),
  };
}

interface Labelled {
  readonly directions: Directions;
  /** (N): classes by number, those of embeddings without direction too */
  readonly labels: Int32Array;
}

/** @param classes By number, in the order in which they appear: completed. @param prefix Of the option's name. */
async function labelled(
  { embeddings: { data, shape }, labels }: References,
  classes: Map<number | string, number>,
  prefix: string,
  signal: AbortSignal | undefined,
): Promise<Labelled> {
  const [count, size] = shape;
  if (labels.length !== count) {
    throw invalidOption(`${prefix}labels`, `${count}, one for each embedding,`, labels);
  }
  if (count === 0) throw invalid(`${prefix}embeddings: expected some, found none`);
  const directions = await directionsOf(data, size, signal);
  expectFinite(data, directions, count, `${prefix}embeddings`);
  return {
    directions,
    labels: Int32Array.from(labels, (label: number | string, place) => {
      if (!classes.has(label)) classes.set(expectLabel(label, `${prefix}labels`, place), classes.size);
      return classes.get(label)!;
    }),
  };
}

async function tallyNeighbours(
  tally: NeighbourTally,
  samples: Labelled,
  among: Labelled,
  search: SearchOptions,
): Promise<void> {
  const isItself = samples === among;
  const sizes = new Int32Array(tally.numClasses);
  for (const label of among.labels) sizes[label]! += 1;
  const others = (label: number) => sizes[label]! - (isItself ? 1 : 0);
  const most = samples.labels.reduce(
    (sofar, label) => Math.max(sofar, others(label)),
    Math.max(...tally.ranks),
  );
  const columns = Math.min(among.directions.numbers.length, most + (isItself ? 1 : 0));
  const isSought = new Uint8Array(samples.labels.length);
  const { units, size, numbers } = samples.directions;
  for await (const { first, rows } of nearestInPieces(units, among.directions.units, size, columns, search)) {
    for (let at = 0; at < rows.length; at += columns) {
      const row = first + at / columns;
      const sample = numbers[row]!;
      const found = rows.subarray(at, at + columns);
      const neighbours = isItself ? without(row, found) : found;
      const classes = neighbours.map((other) => among.labels[among.directions.numbers[other]!]!);
      tally.add(samples.labels[sample]!, classes, others(samples.labels[sample]!));
      isSought[sample] = 1;
    }
  }
  for (const [sample, label] of samples.labels.entries()) {
    if (!isSought[sample]) tally.add(label, new Int32Array(0), others(label));
  }
}

/** One less. The row itself may not be among its nearest, where many are equal. */
function without(row: number, found: Int32Array): Int32Array {
  const place = found.indexOf(row);
  if (place < 0) return found.subarray(0, -1);
  return found.filter((_, at) => at !== place);
}

// ---- checks ---------------------------------------------------------------------------------------------------------

function checkLabels(value: unknown, name: string): ArrayLike<number | string> {
  if (Array.isArray(value) || isTypedArray(value)) return value as ArrayLike<number | string>;
  throw invalidOption(name, 'an array of classes', value);
}

function expectSameSize({ shape: [, found] }: Embeddings, { shape: [, expected] }: Embeddings): void {
  if (found === expected) return;
  throw new MarginCoreError(
    'SHAPE_MISMATCH',
    `gallery.embeddings: expected ${expected} numbers each, as the embeddings have them, found ${found}`,
    { details: { expected, found } },
  );
}

/** Of those that have no direction: all others are finite. */
function expectFinite(data: Float32Array, { numbers, size }: Directions, count: number, name: string): void {
  const hasDirection = new Uint8Array(count);
  for (const number of numbers) hasDirection[number] = 1;
  for (let at = hasDirection.indexOf(0); at >= 0; at = hasDirection.indexOf(0, at + 1)) {
    const bad = data.subarray(at * size, (at + 1) * size).find((value) => !Number.isFinite(value));
    if (bad === undefined) continue;
    throw invalid(`${name}: expected finite numbers, found ${bad} in embedding ${at}`);
  }
}

function expectLabel(label: number | string, name: string, place: number): number | string {
  if (typeof label === 'string' || Number.isFinite(label)) return label;
  throw invalid(`${name}: expected numbers or texts, found ${label} for embedding ${place}`);
}

const invalid = (message: string) => new MarginCoreError('INVALID_DATA', message);
