/** The head's statistics of a run: measured on some of the training images after each epoch. */
import { imagesOf, labelsOf, type Samples, spreadOf } from '../data/samples.js';
import { type HeadMeasurement, type HeadStatistics, headStatistics } from '../metrics/headStatistics.js';
import { infer } from '../model/inference.js';
import type { NativeSession } from '../native/contract.js';

/** Images that are measured: enough for percentiles, few enough to cost next to nothing beside an epoch. */
export const MEASURED_IMAGES = 512;

/** @param tell Whom to tell what they are made of */
export function headMeasurer(
  session: NativeSession,
  train: Samples,
  tell: (measurement: HeadMeasurement) => Promise<void> = async () => undefined,
): () => Promise<HeadStatistics> {
  const measured = spreadOf(train, MEASURED_IMAGES);
  const { data, shape } = imagesOf(measured);
  const images = { data: data.slice(), shape }; // a callback may do with its own array what it likes
  const labels = labelsOf(measured);
  return async () => {
    const { embeddings, angles, classNorms } = await infer(session, images, { embeddings: true, labels });
    const measurement = { embeddings: embeddings!, angles: angles!, classNorms: classNorms! };
    await tell(measurement);
    return headStatistics(measurement, session.summary.embeddingSize);
  };
}
