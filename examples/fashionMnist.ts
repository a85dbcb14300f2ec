/**
 * The accuracy table of the README: both heads on full Fashion-MNIST, three seeds each, four epochs.
 * Takes the folder of the four IDX files, by default that of Debian's package dataset-fashion-mnist.
 */
import { type AngleReport, datasets, models, type TrainOptions, train } from '../lib/index.js';

const HEADS: Record<string, TrainOptions> = {
  softmax: { head: 'softmax' },
  'arcface s=16 m=0.5': { head: 'arcface', s: 16, m: 0.5 },
};
const SEEDS = [1, 2, 3];

async function main(): Promise<void> {
  const data = await datasets.fashionMnist(process.argv[2]);
  if (data.train.labels.length < 60_000)
    throw new Error(`${data.name} is not the full Fashion-MNIST: name its folder`);
  console.log('| head | test accuracy, seeds 1 / 2 / 3 | mean | own centre | nearest other centre |');
  console.log('|---|---|---|---|---|');
  for (const [name, head] of Object.entries(HEADS)) {
    const runs: { accuracy: number; angles: AngleReport }[] = [];
    for (const seed of SEEDS) {
      const model = models.seedCnn({ embeddingSize: 128 });
      const result = await train({ ...head, data, model, seed, epochs: 4 });
      result.model.dispose();
      runs.push({ accuracy: 100 * result.test!.accuracy, angles: result.angles! });
    }
    const mean = (value: (run: (typeof runs)[number]) => number) =>
      runs.reduce((sum, run) => sum + value(run), 0) / runs.length;
    const accuracies = runs.map(({ accuracy }) => accuracy.toFixed(1)).join(' / ');
    const own = mean(({ angles }) => angles.ownCentreMean).toFixed(0);
    const other = mean(({ angles }) => angles.nearestOtherCentreMean).toFixed(0);
    console.log(
      `| ${name} | ${accuracies} | ${mean(({ accuracy }) => accuracy).toFixed(2)} % | ${own}° | ${other}° |`,
    );
  }
}

main();
