/** A trained model: the network, its head and the preprocessing, in native memory. */

import { checkBoolean, checkNumber, checkPath, checkSignal, checkText } from '../base/check.js';
import { copyOf } from '../base/copy.js';
import { MarginCoreError } from '../base/errors.js';
import { checkOptions, choice, option } from '../base/optionTable.js';
import { checkSplitOfSize, type ImageSize } from '../data/imageSize.js';
import type { ChannelNormalization } from '../data/normalize.js';
import type { Preprocessing } from '../data/preprocessing.js';
import { allOf } from '../data/samples.js';
import type { Split, SplitInput } from '../data/types.js';
import { writeSafetensors } from '../files/safetensors.js';
import { centresOf } from '../heads/centres.js';
import type { EffectiveHead } from '../heads/options.js';
import { argmaxRows, type Scores, ScoreTally } from '../metrics/accuracy.js';
import { type ClassificationReport, ClassificationTally, emptyConfusion } from '../metrics/classification.js';
import { unitRows } from '../metrics/directions.js';
import type { Embeddings } from '../metrics/embeddings.js';
import { GrowingHistogram, type Histogram } from '../metrics/growingHistogram.js';
import { rowNorms } from '../metrics/headStatistics.js';
import { type Device, PLACEMENT_OPTIONS } from '../native/backends.js';
import type { NativeSession } from '../native/contract.js';
import { PRECISIONS, type Precision } from '../native/precision.js';
import { exportOnnx } from '../onnx/exportOnnx.js';
import { countScores, type Ending, inferRows, joined, type RowName, tallyScores } from './inference.js';
import { loadModel } from './loadModel.js';
import { type ModelDescriptor, modelMetadata } from './modelFile.js';
import { type ImagesInput, labelledParts, partsOf } from './pictures.js';
import { classifierName, pytorchNames } from './pytorchNames.js';
import { type ModelSummary, summarizeModel } from './summary.js';
import { parameterTensors, readParameter } from './weights.js';

/** What `model.predict` resolves to, for N images. */
export interface Prediction {
  /** (N): the most probable class of each image */
  readonly labels: Int32Array;
  /** (N, numClasses), row-major */
  readonly probabilities: Float32Array;
  /**
   * (N, numClasses), row-major: cosine of the angle between the image's embedding and each class's centre, where the head
   * has such (see `Model.classCentres`) and `cosines: false` does not do without. Unlike probabilities, which sum to 1 for whatever is shown, all are low for an
   * image that is of none of the classes.
   */
  readonly cosines?: Float32Array;
  readonly numClasses: number;
  /** (N): the file of each image, where some came from files; '' of others. */
  readonly files?: readonly string[];
}

/** Row-major. */
export interface ClassCentres {
  readonly data: Float32Array;
  readonly shape: [numClasses: number, D: number];
}

/** Of pairs of images. */
export interface Verification {
  /** (pairs): of the angle between the two embeddings */
  readonly cosines: Float32Array;
  /** (pairs): whether the cosine comes up to the threshold; where there is one. */
  readonly same?: readonly boolean[];
  /** (pairs): the two files, where images came from files; '' of others. */
  readonly files?: readonly (readonly [string, string])[];
}

export interface Evaluation extends Scores {
  /** (numClasses, numClasses) counts, row = label, column = prediction; where asked for. */
  readonly confusion?: Int32Array;
  /** Class by class, the best few, calibration; where asked for. */
  readonly report?: ClassificationReport;
}

/** How large margin-free logits and class weights are. */
export interface LogitStatistics {
  /** Up to 100 bins */
  readonly logits: Histogram;
  /** (numClasses): L2 norms of the class weights, as the head has them; those of heads that compare angles count for nothing. */
  readonly weightNorms: Float32Array;
}

const LOGIT_BINS = 100;

export interface ModelParts extends ModelDescriptor {
  readonly session: NativeSession;
  /** Of the run: its abort ends what a model that was lent computes. */
  readonly signal?: AbortSignal | undefined;
}

const PROBABILITIES: readonly ('probabilities' | 'cosines')[] = ['probabilities'];
const PROBABILITIES_AND_COSINES = [...PROBABILITIES, 'cosines' as const];

const ENDED = 'This model was disposed: its memory is released, and it can do nothing more';
const LOAN_ENDED =
  'This model was lent to onEpoch until that ended: await in the callback what it computes. What is to go on ' +
  'afterwards is for the model of the result';

const SIGNAL = { signal: option('', checkSignal) };
const PREDICT = { ...SIGNAL, cosines: option('', checkBoolean, { default: true }) };
const EMBED = { ...SIGNAL, normalize: option('', checkBoolean) };
const SAVE = { ...SIGNAL, dtype: choice('', ['fp32', 'bf16'], { default: 'fp32' }) };
const EXPORT_ONNX = {
  ...SIGNAL,
  input: choice('', ['uint8', 'float'], { default: 'uint8' }),
  fold: option('', checkBoolean, { default: false }),
  normalize: option('', checkBoolean),
} as const;
const EXPORT_PYTORCH = { ...SIGNAL, classifier: option('', checkText) };
const LOAD = {
  ...SIGNAL,
  ...PLACEMENT_OPTIONS,
  precision: choice('', PRECISIONS, { default: 'fp32' }),
} as const;
const VERIFY = {
  ...SIGNAL,
  threshold: option('', (value, name) => checkNumber(value, name, { min: -1, max: 1 })),
};
const EVALUATE = {
  ...SIGNAL,
  confusion: option('', checkBoolean, { default: false }),
  report: option('', checkBoolean, { default: false }),
};

/**
 * Made by `train()`, or read from a file by `Model.load()`. Predictions have no margin and need no label, and images are normalised as in training.
 * The model holds native memory until `dispose()` (or `using`); every method but `dispose` then throws DISPOSED.
 *
 * Many images are computed in parts. With a `signal`, a call rejects with its reason as soon as that is aborted; of what
 * is under way, at most some 0.2 s or 128 images, the rest is computed in vain.
 */
export class Model {
  readonly #parts: ModelParts;
  readonly #isLent: boolean;
  readonly #notNow: string | undefined;
  #isDisposed = false;

  /** @internal */
  constructor(parts: ModelParts, { isLent = false, notNow }: { isLent?: boolean; notNow?: string } = {}) {
    this.#parts = { ...parts, classNames: Object.freeze([...parts.classNames]) };
    this.#isLent = isLent;
    this.#notNow = notNow;
  }

  /** @internal The same model for somebody else to use, whose `dispose` does not end this one. @param notNow Why it cannot be used, if so */
  lend(notNow?: string): Model {
    return new Model(this.#parts, { isLent: true, ...(notNow !== undefined && { notNow }) });
  }

  /** Frozen. */
  get classNames(): readonly string[] {
    return this.#parts.classNames;
  }

  /** The head it was trained with, with all options as they were in force. */
  get head(): EffectiveHead {
    return copyOf(this.#parts.head.effective, 'head');
  }

  /** Numbers of one embedding. */
  get embeddingSize(): number {
    return this.#session().summary.embeddingSize;
  }

  /** How it brings pictures to that size. */
  get preprocessing(): Preprocessing {
    return copyOf(this.#parts.preprocessing, 'preprocessing');
  }

  /** [H, W, C] of the images it takes. */
  get input(): ImageSize {
    return copyOf(this.#parts.input, 'input');
  }

  /** Pixel p of channel c enters the network as (p/255 − mean[c]) / std[c]. */
  get normalization(): ChannelNormalization {
    return copyOf(this.#parts.normalization, 'normalization');
  }

  /**
   * The class of each image, with the probabilities of all classes and, where the head has class centres, the cosines to
   * them.
   * @param options.cosines Return those as well: as much memory again as the probabilities. Default true.
   * @param images An array of pixels of the size in training; or pictures: files, folders, what would be in a file, a list of
   *   these, or an async iterable. Pictures are turned as their EXIF says, scaled and coloured as the network takes them.
   * @throws SHAPE_MISMATCH for arrays of another size than in training, FILE_CORRUPT for what cannot be decoded.
   */
  async predict(
    images: ImagesInput,
    options: { cosines?: boolean; signal?: AbortSignal } = {},
  ): Promise<Prediction> {
    this.#requireAlive();
    const { cosines: areWanted, signal } = checkOptions(options, undefined, PREDICT);
    const { numClasses } = this.#parts.head.native;
    const hasCosines = areWanted && this.#centres !== undefined;
    const outputs = hasCosines ? PROBABILITIES_AND_COSINES : PROBABILITIES;
    const columns = new Map(outputs.map((name) => [name, numClasses]));
    const { rows, files } = await this.#rows(images, columns, { signal });
    const { probabilities, cosines } = rows;
    return {
      labels: argmaxRows(probabilities, numClasses),
      probabilities,
      ...(cosines && { cosines }),
      numClasses,
      ...(files && { files }),
    };
  }

  /**
   * The embedding of each image.
   * @param options.normalize Divide each by its L2 norm. Default: true for heads that give each embedding or
   *   class weight a fixed length: l2-softmax, normface, a-softmax, am-softmax, arcface, combined, pedcc.
   * @param images As `predict` takes them.
   * @throws As `predict` does.
   */
  async embed(
    images: ImagesInput,
    options: { normalize?: boolean; signal?: AbortSignal } = {},
  ): Promise<Embeddings> {
    const { embeddingSize } = this.#session().summary;
    const { normalize = this.#parts.head.byAngle, signal } = checkOptions(options, undefined, EMBED);
    const columns = new Map([['embeddings', embeddingSize] as const]);
    const { rows, files } = await this.#rows(images, columns, { normalizeEmbeddings: normalize, signal });
    const { embeddings } = rows;
    return {
      data: embeddings,
      shape: [embeddings.length / embeddingSize, embeddingSize],
      ...(files && { files }),
    };
  }

  /**
   * The centre of each class in the space of embeddings: the class weights, of length 1, of heads that compare angles
   * (normface, a-softmax, am-softmax, arcface, combined, pedcc); otherwise the centres as they are that the distance in
   * the loss has (center, and any head with `auxiliary: 'center'`, of a weight above 0). These are the head's own: what
   * `result.angles` calls centres are mean directions of embeddings.
   * @throws UNSUPPORTED for other heads.
   */
  async classCentres(options: { signal?: AbortSignal } = {}): Promise<ClassCentres> {
    const session = this.#session();
    const { signal } = checkOptions(options, undefined, SIGNAL);
    const kind = this.#centres;
    if (kind === undefined) {
      throw new MarginCoreError(
        'UNSUPPORTED',
        `The head ${this.head.head} has no class centres: the length of a class weight, or its bias, decides as well. ` +
          "Heads that compare angles have them, such as arcface, and every head with auxiliary: 'center' of a weight above 0",
      );
    }
    const size = session.summary.embeddingSize;
    const name = kind === 'weights' ? 'head.weight' : 'head.centers';
    const rows = await readParameter(session, name, this.#ending(signal));
    return {
      data: kind === 'weights' ? unitRows(rows, size) : rows,
      shape: [this.#parts.head.native.numClasses, size],
    };
  }

  /**
   * How large the margin-free logits are, over all classes of all images, and the class weights: what tells heads apart whose
   * accuracies are alike (the paper of scaled batch norm, figures 2 and 3).
   * @param images As `predict` takes them.
   * @throws As `predict` does.
   */
  async logitStatistics(
    images: ImagesInput,
    options: { signal?: AbortSignal } = {},
  ): Promise<LogitStatistics> {
    const session = this.#session();
    const { signal } = checkOptions(options, undefined, SIGNAL);
    const { input: size, preprocessing } = this.#parts;
    const { numClasses } = this.#parts.head.native;
    const histogram = new GrowingHistogram(LOGIT_BINS);
    for await (const part of partsOf(images, { size, preprocessing, signal })) {
      await countScores(session, part.images, numClasses, histogram, this.#ending(signal));
    }
    const logits = histogram.result()!; // no images at all were refused
    const weights = await readParameter(session, 'head.weight', this.#ending(signal));
    return { logits, weightNorms: Float32Array.from(rowNorms(weights, this.embeddingSize)) };
  }

  /**
   * Whether two images show the same: pairs, the first of `a` with the first of `b` and so on. One image on either side is
   * compared with all of the other's. See `calibrateThreshold` for a threshold.
   * @param options.threshold The cosine from which on two images count as the same. Without it there is no `same`.
   * @param a As `predict` takes them. @param b As many, or one.
   * @throws As `predict` does, and INVALID_DATA where there are other than one or as many.
   */
  async verify(
    a: ImagesInput,
    b: ImagesInput,
    options: { threshold?: number; signal?: AbortSignal } = {},
  ): Promise<Verification> {
    const { threshold, signal } = checkOptions(options, undefined, VERIFY);
    const embedded = { normalize: true, ...(signal && { signal }) };
    const [ofA, ofB] = [await this.embed(a, embedded), await this.embed(b, embedded)];
    const cosines = pairedCosines(ofA, ofB);
    const fileOf = ({ files, shape: [count] }: Embeddings, pair: number) =>
      files?.[count === 1 ? 0 : pair] ?? '';
    return {
      cosines,
      ...((ofA.files ?? ofB.files) && {
        files: Array.from(cosines, (_, pair) => [fileOf(ofA, pair), fileOf(ofB, pair)] as const),
      }),
      ...(threshold !== undefined && { same: Array.from(cosines, (cosine) => cosine >= threshold) }),
    };
  }

  /**
   * Accuracy and mean cross-entropy over every sample of a split, without margin, dropout and class weights.
   * @param split Images and labels; or a folder that has a folder of pictures for each class, called as the class is.
   * @param options.confusion Count predictions per class as well. Default false.
   * @param options.report What `classificationReport` tells of the same scores, as well. Default false.
   * @throws SHAPE_MISMATCH for images of another size than in training, INVALID_DATA for labels out of range, folders that no
   *   class is called, and, with `report`, scores that are not finite.
   */
  async evaluate(
    split: SplitInput | string,
    options: { confusion?: boolean; report?: boolean; signal?: AbortSignal } = {},
  ): Promise<Evaluation> {
    const session = this.#session();
    const { confusion: isWanted, report: isReported, signal } = checkOptions(options, undefined, EVALUATE);
    const { numClasses } = this.#parts.head.native;
    const tally = new ScoreTally(numClasses, isWanted ? emptyConfusion(numClasses) : undefined);
    const report = isReported ? new ClassificationTally(numClasses) : undefined;
    const both = {
      numClasses,
      add(scores: Float32Array, labels: Int32Array) {
        tally.add(scores, labels);
        report?.add(scores, labels);
      },
    };
    for await (const part of this.#labelled(split, signal)) {
      await tallyScores(session, allOf(part), both, this.#ending(signal));
    }
    return {
      ...tally.result(),
      ...(tally.confusion && { confusion: tally.confusion }),
      ...(report && { report: report.result() }),
    };
  }

  /** Layers with output shapes, parameters and FLOPs; as text, a table. */
  summary(): ModelSummary {
    const { summary } = this.#session();
    const { network, head } = this.#parts;
    return summarizeModel(network.name, this.input, summary, head.native, head.effective);
  }

  /**
   * Writes the model to a file that `Model.load` reads: a safetensors file with the network, the head, class names and
   * normalisation in its metadata. It is whole under its name, or what stood there before is.
   * @param options.dtype 'bf16' halves the file, and keeps 8 bits of precision of each number. Default 'fp32'.
   * @throws FILE_NOT_WRITTEN where the disk is full, say, or the folder read-only.
   */
  async save(path: string, options: { dtype?: 'fp32' | 'bf16'; signal?: AbortSignal } = {}): Promise<void> {
    const session = this.#session();
    const file = checkPath(path, 'path');
    const { dtype, signal } = checkOptions(options, undefined, SAVE);
    signal?.throwIfAborted();
    const tensors = parameterTensors(session, dtype === 'bf16' ? 'BF16' : 'F32', this.#ending(signal));
    await writeSafetensors(file, tensors, modelMetadata(this.#parts));
  }

  /**
   * Writes the model as an ONNX file (opset 17), for onnxruntime and its like: any number of images as `images`, and `embedding` (N, D),
   * `logits` and `probabilities` (N, C) of them, without margin.
   * @param options.input 'uint8': images (N, H, W, C) as `predict` takes them, normalised in the graph; 'float': (N, C, H, W),
   *   already normalised. Default 'uint8'.
   * @param options.fold Let weights take over the batch norms behind them, and class weights the normalisation of
   *   logits: fewer nodes, numbers that differ in their last digits. Default false.
   * @param options.normalize Divide each embedding by its L2 norm. Default: as `embed` has it.
   * @throws FILE_NOT_WRITTEN; UNSUPPORTED, before anything is read or written, for a file of 2 GiB or more, which the format cannot be.
   */
  async exportOnnx(
    path: string,
    options: { input?: 'uint8' | 'float'; fold?: boolean; normalize?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const session = this.#session();
    const file = checkPath(path, 'path');
    const { input, fold, normalize, signal } = checkOptions(options, undefined, EXPORT_ONNX);
    const { network, input: size, head, classNames, normalization } = this.#parts;
    signal?.throwIfAborted();
    const { layers, embeddingSize } = session.summary;
    const shapes = new Map(session.parameters().map(({ name, shape }) => [name, shape]));
    await exportOnnx(
      file,
      { network, input: size, head: head.native, classNames, normalization, layers, embeddingSize },
      {
        shape: (name) => shapes.get(name)!,
        read: (name) => readParameter(session, name, this.#ending(signal)),
      },
      { input, fold, normalizeEmbedding: normalize ?? head.byAngle },
      signal,
    );
  }

  /**
   * Writes the parameters as a safetensors file for PyTorch, under its names and in its layouts: a state dict of torchvision's
   * network, where the network is one of its.
   * @param options.classifier What the head's weights are called. Default: as torchvision calls its last layer, 'fc' of a
   *   ResNet say; otherwise 'head'.
   */
  async exportPyTorch(
    path: string,
    options: { classifier?: string; signal?: AbortSignal } = {},
  ): Promise<void> {
    const session = this.#session();
    const file = checkPath(path, 'path');
    const { layers } = session.summary;
    const { classifier = classifierName(this.#parts.network.name, layers), signal } = checkOptions(
      options,
      undefined,
      EXPORT_PYTORCH,
    );
    const named = pytorchNames(this.input, layers, session.parameters(), classifier).map(
      ({ ours, theirs, shape, toTheirs }) => ({
        ...{ name: theirs, shape, dtype: 'F32' as const },
        values: async () => toTheirs(await readParameter(session, ours, this.#ending(signal))),
      }),
    );
    await writeSafetensors(file, named, { format: 'pt' });
  }

  /**
   * A model from its file, to predict, embed and evaluate with; a checkpoint of a run is one as well. Safe to be given files of
   * strangers: they are data, of which every size and description is checked against the file itself, and against the memory
   * that there is, before any is taken.
   * @param options.device Default 'auto'.
   * @param options.precision Of the network's arithmetic, whatever it was in training. Default 'fp32'.
   * @throws FILE_NOT_FOUND; FILE_CORRUPT for what is no model, damaged or altered; NEWER_VERSION; OUT_OF_MEMORY.
   */
  static async load(
    path: string,
    options: { device?: Device; threads?: number; precision?: Precision; signal?: AbortSignal } = {},
  ): Promise<Model> {
    const file = checkPath(path, 'path');
    const settings = checkOptions(options, undefined, LOAD);
    const { descriptor, session } = await loadModel(file, settings);
    return new Model({ ...descriptor, session });
  }

  /** Frees the native memory. Calling it again does nothing. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    if (!this.#isLent) this.#parts.session.dispose();
  }

  /** The same as `dispose()`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #session(): NativeSession {
    this.#requireAlive();
    if (this.#notNow !== undefined) throw new MarginCoreError('INVALID_OPTION', this.#notNow);
    return this.#parts.session;
  }

  async *#labelled(split: SplitInput | string, signal: AbortSignal | undefined): AsyncGenerator<Split> {
    const { input: size, preprocessing, classNames, head } = this.#parts;
    if (typeof split === 'string') yield* labelledParts(split, classNames, { size, preprocessing, signal });
    else yield checkSplitOfSize(split, size, head.native.numClasses, 'split');
  }

  /** Outputs for all images, whatever they are given as; and the files that they came from, where they did. */
  async #rows<Name extends RowName>(
    images: ImagesInput,
    columns: ReadonlyMap<Name, number>,
    { signal, ...options }: { signal: AbortSignal | undefined; normalizeEmbeddings?: boolean },
  ): Promise<{ rows: Record<Name, Float32Array>; files?: string[] }> {
    const parts: Record<Name, Float32Array>[] = [];
    const files: string[] = [];
    const { input: size, preprocessing } = this.#parts;
    for await (const part of partsOf(images, { size, preprocessing, signal })) {
      const ending = { ...options, ...this.#ending(signal) };
      parts.push(await inferRows(this.#session(), part.images, columns, ending));
      files.push(...(part.files ?? []));
    }
    return { rows: joined(parts, [...columns.keys()]), ...(files.some((file) => file !== '') && { files }) };
  }

  #ending(signal: AbortSignal | undefined): Ending {
    return { signal, requireAlive: () => this.#requireAlive() };
  }

  /** Throws DISPOSED; of a lent model also the reason of the run's end. */
  #requireAlive(): void {
    if (this.#isDisposed) throw new MarginCoreError('DISPOSED', this.#isLent ? LOAN_ENDED : ENDED);
    if (this.#isLent) this.#parts.signal?.throwIfAborted();
  }

  get #centres(): ReturnType<typeof centresOf> {
    return centresOf(this.#parts.head.native);
  }
}

function pairedCosines(a: Embeddings, b: Embeddings): Float32Array {
  const [inA, size] = a.shape;
  const [inB] = b.shape;
  if (inA !== inB && inA !== 1 && inB !== 1) {
    throw new MarginCoreError(
      'INVALID_DATA',
      `Expected as many images on both sides, or one on either; found ${inA} and ${inB}`,
    );
  }
  return Float32Array.from({ length: Math.max(inA, inB) }, (_, pair) => {
    const rowA = inA === 1 ? 0 : pair * size;
    const rowB = inB === 1 ? 0 : pair * size;
    let sum = 0;
    for (let axis = 0; axis < size; axis++) sum += a.data[rowA + axis]! * b.data[rowB + axis]!;
    return Math.min(1, Math.max(-1, sum));
  });
}
