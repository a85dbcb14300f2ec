/** Some of other images, by their numbers: they look like an array, and are copied only where somebody wants one. */
import { storedPixels } from './storedPixels.js';
import type { ImageArray, ImageShape } from './types.js';

export class ChosenImages implements ImageArray {
  readonly shape: ImageShape;
  #data: Uint8Array | undefined;

  private constructor(
    /** In an array or a file */
    readonly source: ImageArray,
    /** Which of them, in this order. */
    readonly numbers: Int32Array,
  ) {
    const [, H, W, C] = source.shape;
    this.shape = [numbers.length, H, W, C];
  }

  /** Of images that are themselves chosen, it is those of their source. */
  static of(images: ImageArray, numbers: Int32Array): ChosenImages {
    if (!(images instanceof ChosenImages)) return new ChosenImages(images, numbers);
    return new ChosenImages(
      images.source,
      numbers.map((number) => images.numbers[number]!),
    );
  }

  /** A copy of all, made when it is first wanted: what is written to it reaches nobody else. */
  get data(): Uint8Array {
    this.#data ??= this.#gather(0, this.numbers.length);
    return this.#data;
  }

  /** Bytes of images `first` to before `first + count`; a copy only where they do not follow one another in the source. */
  pixels(first: number, count: number): Uint8Array {
    const begin = this.numbers[first] ?? 0;
    for (let index = 1; index < count; index++) {
      if (this.numbers[first + index] !== begin + index) return this.#gather(first, count);
    }
    return storedPixels(this.source, begin, count);
  }

  #gather(first: number, count: number): Uint8Array {
    const [, H, W, C] = this.shape;
    const size = H * W * C;
    const bytes = new Uint8Array(count * size);
    for (let index = 0; index < count; index++) {
      bytes.set(storedPixels(this.source, this.numbers[first + index]!, 1), index * size);
    }
    return bytes;
  }
}
