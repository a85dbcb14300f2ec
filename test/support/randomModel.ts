import type { ImageSize } from '../../lib/data/imageSize.js';
import { checkHead, resolveHead } from '../../lib/heads/resolve.js';
import type { HeadOptions, ImageArray } from '../../lib/index.js';
import { NO_OPTIMIZER } from '../../lib/model/loadModel.js';
import { Model } from '../../lib/model/model.js';
import { native } from '../../lib/native/load.js';
import type { ModelDescription } from '../../lib/networks/index.js';

/** Numbers in [−1, 1) that look like any: a small congruential generator, the same each time. */
export function randomNumbers(count: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export function randomImages(count: number, [H, W, C]: ImageSize, seed = 1): ImageArray {
  const data = Uint8Array.from(randomNumbers(count * H * W * C, seed), (value) => 127.5 * (value + 1));
  return { data, shape: [count, H, W, C] };
}

/**
 * A model with weights that nobody trained, and running statistics, centres and biases that are nobody's default: what a
 * file or an export leaves out or takes for another shows.
 */
export async function randomModel(
  network: ModelDescription,
  input: ImageSize,
  headOptions: HeadOptions,
  numClasses = 7,
): Promise<Model> {
  const head = resolveHead(checkHead(headOptions as never), numClasses);
  const normalization = {
    mean: Float32Array.from({ length: input[2] }, (_, c) => 0.4 + 0.1 * c),
    std: Float32Array.from({ length: input[2] }, (_, c) => 0.2 + 0.05 * c),
  };
  const { layers, init } = network;
  const session = new (native().Session)({
    ...{ backend: 'cpu', deviceIndex: 0, threads: 2, deterministic: false, precision: 'fp32', seed: 5 },
    network: { input: [...input], layers: [...layers], ...(init !== undefined && { init }) },
    head: head.native,
    ...normalization,
    batchSize: 0,
    optimizer: NO_OPTIMIZER,
  });
  await session.open();
  for (const [index, { name, shape }] of session.parameters().entries()) {
    const drawn = await session.readParameter(name);
    const isDrawn = shape.length > 1 && name !== 'head.centers';
    if (isDrawn) continue;
    const around = drawn[0]!; // 0 of biases and means, 1 of factors and variances
    await session.writeParameter(
      name,
      randomNumbers(drawn.length, index).map((value) => around + 0.3 * value),
    );
  }
  const classNames = Array.from({ length: numClasses }, (_, index) => `class ${index}`);
  const preprocessing = { resize: 'cover', background: 0 } as const;
  return new Model({ network, session, input, head, classNames, normalization, preprocessing });
}
