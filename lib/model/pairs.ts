/** All pairs of embeddings whose classes are known: what a threshold is calibrated on. */

import { turnEventLoop } from '../base/abort.js';
import { checkSignal } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';
import { checkOptions, option } from '../base/optionTable.js';
import { checkEmbeddings, type Embeddings } from '../metrics/embeddings.js';
import { type Device, PLACEMENT_OPTIONS } from '../native/backends.js';
import { nearest } from '../native/searchIndex.js';

/** All pairs of N embeddings. */
export interface Pairs {
  /** (N·(N − 1)/2): first with second, first with third, …, second with third, … */
  readonly cosines: Float32Array;
  /** 1 where both are of one class, otherwise 0 */
  readonly isSame: Uint8Array;
}

/** Of these there are 33 million pairs. */
const MOST = 8192;

/** Looked at between two turns of the event loop: at most some 5 ms. */
const ROWS = 128;

const OPTIONS = { ...PLACEMENT_OPTIONS, signal: option('', checkSignal) };

/**
 * The cosine of each pair.
 * @param labels (N): a class for each embedding
 * @throws INVALID_DATA for fewer than 2 embeddings, and one of zeros or that is not finite; SHAPE_MISMATCH for other than N·D numbers;
 *   UNSUPPORTED for more than 8192.
 */
export async function allPairs(
  embeddings: Embeddings,
  labels: ArrayLike<number | string>,
  options: { device?: Device; threads?: number; signal?: AbortSignal } = {},
): Promise<Pairs> {
  const settings = checkOptions(options, undefined, OPTIONS);
  const { data, shape } = checkEmbeddings(embeddings, 'embeddings');
  const [count, size] = shape;
  if ((labels as typeof labels | null | undefined)?.length !== count) {
    throw invalidOption('labels', `${count}, one for each embedding,`, labels);
  }
  expectPairsOf(count);
  const { rows, cosines: found } = await nearest(data, data, size, count, settings);
  const cosines = new Float32Array((count * (count - 1)) / 2);
  const isSame = new Uint8Array(cosines.length);
  for (let a = 0; a < count; a++) {
    if (a % ROWS === 0) await turnEventLoop(settings.signal);
    const beforeA = a * count - (a * (a + 1)) / 2 - a - 1;
    for (let at = a * count; at < (a + 1) * count; at++) {
      const b = rows[at]!;
      if (b <= a) continue;
      cosines[beforeA + b] = found[at]!;
      isSame[beforeA + b] = labels[a] === labels[b] ? 1 : 0;
    }
  }
  return { cosines, isSame };
}

/** Throws as `allPairs` does: for whoever has yet to make so many embeddings. */
export function expectPairsOf(count: number): void {
  if (count < 2) throw new MarginCoreError('INVALID_DATA', `Expected 2 or more embeddings, found ${count}`);
  if (count <= MOST) return;
  throw new MarginCoreError(
    'UNSUPPORTED',
    `All pairs of ${count} embeddings do not fit into memory: take at most ${MOST}`,
  );
}
