/**
 * Whether two models embed in the same space: the same pictures come to the same directions. Numbers that differ in their
 * last digits, as those of another backend or of a bf16 file, are the same model's.
 */
import { MarginCoreError } from '../base/errors.js';
import type { ImageSize } from '../data/imageSize.js';
import type { ImageArray } from '../data/types.js';
import type { Model } from './model.js';

/** (PICTURES, D), row-major: unit embeddings of the pictures. */
export type Probe = Float32Array;

export const PICTURES = 8;

/**
 * Mean cosine of the pictures' embeddings. A file or arithmetic of bf16 stays above 0.999; other seeds come to 0, or to 0.6 where
 * embeddings have no negative numbers; the same model trained further lies between.
 */
const SAME_SPACE = 0.98;

export async function probeOf(model: Model, signal?: AbortSignal): Promise<Probe> {
  const { data } = await model.embed(picturesOf(model.input), { normalize: true, ...(signal && { signal }) });
  return data;
}

/** Rejects with GALLERY_MISMATCH where the gallery's embeddings are not the model's. */
export async function expectSameSpace(
  path: string,
  { size, probe }: { size: number; probe: Probe | undefined },
  model: Model,
  signal?: AbortSignal,
): Promise<void> {
  const mismatch = (what: string, details: Record<string, unknown>) =>
    new MarginCoreError('GALLERY_MISMATCH', `${path} has embeddings of another model: ${what}`, {
      details: { path, ...details },
    });
  const expected = model.embeddingSize;
  if (size !== expected)
    throw mismatch(`of ${size} numbers, this one's have ${expected}`, { found: size, expected });
  if (probe === undefined) return;
  const cosine = meanCosine(probe, await probeOf(model, signal));
  if (cosine >= SAME_SPACE) return;
  throw mismatch(
    `the same test pictures come to other directions (mean cosine ${cosine.toFixed(2)}, expected at least ${SAME_SPACE}): enrol anew with this model`,
    { cosine },
  );
}

function meanCosine(a: Probe, b: Probe): number {
  return a.reduce((sum, value, index) => sum + value * b[index]!, 0) / PICTURES;
}

/** Waves of several directions and lengths. */
function picturesOf([H, W, C]: ImageSize): ImageArray {
  const data = new Uint8Array(PICTURES * H * W * C);
  let at = 0;
  for (let picture = 0; picture < PICTURES; picture++) {
    for (let y = 0; y < H; y++) {
      for (let x = 0; x < W; x++) {
        for (let c = 0; c < C; c++) {
          const phase = ((picture + 1) * x) / W + ((((picture * 5) % PICTURES) + 1) * y) / H + c / 3;
          data[at++] = Math.round(127.5 * (1 + Math.sin(2 * Math.PI * phase)));
        }
      }
    }
  }
  return { data, shape: [PICTURES, H, W, C] };
}
