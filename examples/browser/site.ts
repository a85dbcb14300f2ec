/** What the page reads beside the model: `site.json`. */
import type { Framing } from './framing.js';

export interface Site {
  readonly dataName: string;
  /** Of the test images, 0…1 */
  readonly accuracy: number;
  readonly classNames: readonly string[];
  /** (C): of the classes, as CSS has them */
  readonly colours: readonly string[];
  /** [H, W] of the model's images */
  readonly size: readonly [H: number, W: number];
  readonly framing: Framing;
  /** (N, 2), row-major: embeddings of test images */
  readonly points: readonly number[];
  /** (N) */
  readonly labels: readonly number[];
  /** (C, 2), row-major: the head's class centres, directions of length 1 */
  readonly centres: readonly number[];
}

/** Names of the files, as the page asks for them. */
export const MODEL_FILE = 'model.onnx';
export const SITE_FILE = 'site.json';
export const WASM_FILE = 'ort-wasm-simd-threaded.wasm';
