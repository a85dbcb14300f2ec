/** The exported model under onnxruntime-web. */
import { env, InferenceSession, Tensor } from 'onnxruntime-web/wasm';
import { MODEL_FILE, WASM_FILE } from '../site.js';

export interface Answer {
  /** (C) */
  readonly probabilities: Float32Array;
  /** (2) */
  readonly embedding: Float32Array;
}

export class Classifier {
  readonly #session: InferenceSession;
  readonly #shape: readonly number[];

  private constructor(session: InferenceSession, height: number, width: number) {
    this.#session = session;
    this.#shape = [1, height, width, 1];
  }

  static async load(height: number, width: number): Promise<Classifier> {
    // Several threads would need headers for cross-origin isolation, and an image takes a millisecond with one.
    env.wasm.numThreads = 1;
    env.wasm.wasmPaths = { wasm: new URL(WASM_FILE, location.href).href };
    const session = await InferenceSession.create(MODEL_FILE, { executionProviders: ['wasm'] });
    return new Classifier(session, height, width);
  }

  /** @param pixels (H, W): one image, as bytes; the model's file has the rest of the preprocessing. */
  async run(pixels: Uint8Array): Promise<Answer> {
    const { probabilities, embedding } = await this.#session.run({
      images: new Tensor('uint8', pixels, this.#shape),
    });
    return {
      probabilities: probabilities!.data as Float32Array,
      embedding: embedding!.data as Float32Array,
    };
  }
}
