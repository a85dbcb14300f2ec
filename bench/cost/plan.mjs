// What a training step's time is followed over: batch, classes, image size, threads; and the jobs that measure it.
import { works } from '../shared/works.mjs';

const seedCnn = works.find(({ id }) => id === 'seed-cnn');

/** Times per unit that differ more than this from one row to the next make a bend. */
export const BEND_ABOVE = 1.5;

/** A warm-up epoch and a timed one, of so many whole steps. */
const training = ({ network, head, pixels }, { batch, steps, threads }) => ({
  measure: 'throughput',
  network,
  head,
  precision: 'fp32',
  ...pixels,
  batch,
  limit: batch * steps,
  warmupEpochs: 1,
  epochs: 1,
  untilLastStep: true,
  threads,
});

const HEAD = { batch: 128, embeddingSize: 512 };
const SIDE_BATCH = 16;

/** All numbers of threads up to 8, then every doubling, and the last. */
const threadCounts = (cores) =>
  Array.from({ length: cores }, (_, i) => i + 1).filter(
    (n) => n <= 8 || n === cores || Number.isInteger(Math.log2(n)),
  );

/**
 * The tables. `units(value)`: over how many units of `per` a step's time is divided, which makes the same figure in every
 * row where time grows in proportion. `job(value)` measures one row; `bytes(value)` is the memory it needs.
 */
export function costTables({ threads, quick }) {
  return [
    {
      id: 'batch',
      title: 'Batch: training step of the seed CNN with ArcFace, 28×28',
      variable: 'images',
      per: 'image',
      values: quick ? [1, 4, 64] : [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
      units: (batch) => batch,
      job: (batch) => training(seedCnn, { batch, steps: (quick ? 128 : 4096) / batch, threads }),
    },
    {
      id: 'classes',
      title: `Classes: ArcFace head alone, forward and backward, ${HEAD.batch} × ${HEAD.embeddingSize}`,
      variable: 'classes',
      per: 'class',
      values: quick ? [10, 1000, 10_000] : [10, 100, 1000, 10_000, 100_000, 1_000_000],
      units: (classes) => classes,
      // Class weights and their gradient, copies of both, one normalised; six matrices of the logits' shape.
      bytes: (classes) => 4 * classes * (5 * HEAD.embeddingSize + 6 * HEAD.batch),
      job: (numClasses) => ({
        measure: 'head',
        head: seedCnn.head,
        ...HEAD,
        numClasses,
        repetitions: numClasses > 100_000 || quick ? 3 : 20,
        threads,
      }),
    },
    {
      id: 'side',
      title: `Image size: training step of ResNet-18 (stem for 64) with ArcFace, batch ${SIDE_BATCH}`,
      variable: 'side',
      per: 'pixel',
      values: quick ? [28, 48] : [28, 32, 48, 64, 96, 128, 160, 192, 224],
      units: (side) => SIDE_BATCH * side * side,
      job: (side) =>
        training(
          {
            network: { name: 'resnet18', options: { imageSize: 64 } },
            head: seedCnn.head,
            pixels: { side, channels: 3 },
          },
          { batch: SIDE_BATCH, steps: quick ? 2 : 4, threads },
        ),
    },
    {
      id: 'threads',
      title: 'Threads: training step of the seed CNN with ArcFace, 28×28, batch 128',
      variable: 'threads',
      per: 'image, times the threads',
      values: threadCounts(threads),
      units: (count) => 128 / count,
      job: (count) => training(seedCnn, { batch: 128, steps: quick ? 2 : 32, threads: count }),
    },
  ];
}
