/** A trained model: the network, its head and the preprocessing, in native memory. */

import { MarginCoreError } from '../base/errors.js';
import { checkImagesOfSize, checkSplitOfSize, type ImageSize } from '../data/imageSize.js';
import type { ChannelNormalization } from '../data/normalize.js';
import { allOf } from '../data/samples.js';
import type { ImageInput, SplitInput } from '../data/types.js';
import type { EffectiveHead } from '../heads/options.js';
import type { ResolvedHead } from '../heads/resolve.js';
import { argmaxRows, type Scores } from '../metrics/accuracy.js';
import type { NativeSession } from '../native/contract.js';
import { infer, scoreSamples } from './inference.js';
import { type ModelSummary, summarizeModel } from './summary.js';

export interface Prediction {
  /** (N): the most probable class of each image */
  readonly labels: Int32Array;
  /** (N, numClasses), row-major */
  readonly probabilities: Float32Array;
  readonly numClasses: number;
}

export interface Embeddings {
  /** Row-major */
  readonly data: Float32Array;
  readonly shape: [N: number, D: number];
}

export interface Evaluation extends Scores {
  /** (numClasses, numClasses) counts, row = label, column = prediction; where asked for. */
  readonly confusion?: Int32Array;
}

export interface ModelParts {
  readonly name: string;
  readonly session: NativeSession;
  readonly input: ImageSize;
  readonly head: ResolvedHead;
  readonly classNames: readonly string[];
  readonly normalization: ChannelNormalization;
}

/**
 * Made by `train()`. Predictions have no margin and need no label, and images are normalised as in training.
 * The model holds native memory until `dispose()` (or `using`); every method but `dispose` then throws DISPOSED.
 */
export class Model {
  readonly #parts: ModelParts;
  #disposed = false;

  /** @internal */
  constructor(parts: ModelParts) {
    this.#parts = parts;
  }

  get classNames(): readonly string[] {
    return this.#parts.classNames;
  }

  /** The head it was trained with, with all options as they were in force. */
  get head(): EffectiveHead {
    return this.#parts.head.effective;
  }

  /** [H, W, C] of the images it takes. */
  get input(): ImageSize {
    return this.#parts.input;
  }

  /** Pixel p of channel c enters the network as (p/255 − mean[c]) / std[c]. */
  get normalization(): ChannelNormalization {
    return this.#parts.normalization;
  }

  /**
   * The class of each image, with the probabilities of all classes.
   * @throws SHAPE_MISMATCH for images of another size than in training.
   */
  async predict(images: ImageInput): Promise<Prediction> {
    const session = this.#session();
    const checked = checkImagesOfSize(images, this.input, 'images');
    const { probabilities } = await infer(session, checked, { probabilities: true });
    const numClasses = this.classNames.length;
    return { labels: argmaxRows(probabilities!, numClasses), probabilities: probabilities!, numClasses };
  }

  /**
   * The embedding of each image.
   * @param options.normalize Divide each by its L2 norm. Default: true for heads that compare angles, such as arcface.
   * @throws SHAPE_MISMATCH for images of another size than in training.
   */
  async embed(images: ImageInput, options: { normalize?: boolean } = {}): Promise<Embeddings> {
    const session = this.#session();
    const checked = checkImagesOfSize(images, this.input, 'images');
    const { normalize = this.#parts.head.byAngle } = options;
    const { embeddingSize } = session.summary;
    const { embeddings } = await infer(session, checked, {
      embeddings: true,
      normalizeEmbeddings: normalize,
    });
    return { data: embeddings!, shape: [checked.shape[0], embeddingSize] };
  }

  /**
   * Accuracy and mean cross-entropy over every sample of a split, without margin, dropout and class weights.
   * @param options.confusion Count predictions per class as well. Default false.
   * @throws SHAPE_MISMATCH for images of another size than in training, INVALID_DATA for labels out of range.
   */
  async evaluate(split: SplitInput, options: { confusion?: boolean } = {}): Promise<Evaluation> {
    const session = this.#session();
    const numClasses = this.classNames.length;
    const checked = checkSplitOfSize(split, this.input, numClasses, 'split');
    if (!options.confusion) return scoreSamples(session, allOf(checked), numClasses);
    const confusion = new Int32Array(numClasses * numClasses);
    return { ...(await scoreSamples(session, allOf(checked), numClasses, { confusion })), confusion };
  }

  /** Layers with output shapes, parameters and FLOPs; as text, a table. */
  summary(): ModelSummary {
    const { summary } = this.#session();
    const { name, input, head } = this.#parts;
    return summarizeModel(name, input, summary, head.native, head.effective);
  }

  /** Frees the native memory. Calling it again does nothing. */
  dispose(): void {
    this.#disposed = true;
    this.#parts.session.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #session(): NativeSession {
    if (!this.#disposed) return this.#parts.session;
    throw new MarginCoreError(
      'DISPOSED',
      'This model was disposed: its memory is released, and it can do nothing more',
    );
  }
}
