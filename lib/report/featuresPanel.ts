/** A model's embeddings of some images as a panel of a picture: as they are in the plane, otherwise along their three principal components. */

import { allOf, imagesOf, labelsOf, spreadOf } from '../data/samples.js';
import type { Split } from '../data/types.js';
import { principalComponents } from '../metrics/principalComponents.js';
import type { Model } from '../model/model.js';
import type { EmbeddingsPanel } from './svg/embeddingsSvg.js';

/** Of a split, evenly spread. */
const SHOWN = 1000;

/** From where three axes are looked at: each is seen at its own length, none behind another. */
const AZIMUTH = Math.PI / 5;
const ELEVATION = Math.PI / 7;

export async function featuresPanel(
  model: Model,
  split: Split,
  about: Pick<EmbeddingsPanel, 'title' | 'subtitle'>,
): Promise<EmbeddingsPanel> {
  const shown = spreadOf(allOf(split), SHOWN);
  const { data, shape } = await model.embed(imagesOf(shown), { normalize: false });
  const [, size] = shape;
  const points = size === 2 ? data : seen(await principalComponents(data, size, 3));
  return { ...about, points, labels: labelsOf(shown) };
}

/** (N, 3) → (N, 2): a parallel projection. */
function seen(places: Float32Array): Float32Array {
  const points = new Float32Array((places.length / 3) * 2);
  for (let point = 0; point < points.length / 2; point++) {
    const [x, y, z] = places.subarray(3 * point, 3 * point + 3) as unknown as [number, number, number];
    const depth = y * Math.cos(AZIMUTH) - x * Math.sin(AZIMUTH);
    points[2 * point] = x * Math.cos(AZIMUTH) + y * Math.sin(AZIMUTH);
    points[2 * point + 1] = z * Math.cos(ELEVATION) + depth * Math.sin(ELEVATION);
  }
  return points;
}
