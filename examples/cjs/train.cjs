/** Trains ArcFace on the bundled sample, keeps the model in a file, and predicts with what it reads back: node train.cjs */
const { datasets, Model, models, train } = require('margincore');

async function main() {
  const data = await datasets.fashionMnistSample();
  const { model, test } = await train({
    data,
    model: models.seedCnn({ embeddingSize: 64 }),
    head: 'arcface',
    m: 0.5,
    s: 16,
    epochs: 3,
  });
  console.log(`test accuracy ${(100 * test.accuracy).toFixed(1)} %`);
  await model.save('clothes.safetensors');
  model.dispose();

  const kept = await Model.load('clothes.safetensors');
  const { images, labels } = data.test;
  const predicted = await kept.predict(images);
  for (const index of [0, 1, 2]) {
    const [is, seen] = [labels[index], predicted.labels[index]].map((label) => kept.classNames[label]);
    console.log(`image ${index}: ${is}, predicted ${seen}`);
  }
  kept.dispose();
}

main();
