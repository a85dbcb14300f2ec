/** What a margin does to the embeddings: two heads on the bundled sample, side by side: node heads.mjs */
import { datasets, models, train } from 'margincore';

const data = await datasets.fashionMnistSample();

for (const head of [{ head: 'softmax' }, { head: 'arcface', m: 0.5, s: 16 }]) {
  const { model, test, angles } = await train({
    ...head,
    data,
    model: models.seedCnn({ embeddingSize: 64 }),
    epochs: 3,
  });
  model.dispose();
  const accuracy = `${(100 * test.accuracy).toFixed(1)} %`;
  const own = `${angles.ownCentreMean.toFixed(1)}°`;
  const other = `${angles.nearestOtherCentreMean.toFixed(1)}°`;
  console.log(`${head.head}: test accuracy ${accuracy}, own centre ${own}, nearest other centre ${other}`);
}
