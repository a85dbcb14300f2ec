/**
 * What `npm run demo` runs: ArcFace on real images, from data to a picture of what it learned. A few seconds of
 * training on two cores.
 */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { datasets, models, train } from '../lib/index.js';
import { anglesSvg } from '../lib/report/svg/anglesSvg.js';

const PICTURE = resolve('margincore-angles.svg');

async function demo(): Promise<void> {
  const data = await datasets.fashionMnistSample();
  const [, height, width, channels] = data.train.images.shape;
  console.log(`${data.name}: real photographs of clothing, ${height}×${width}×${channels}`);
  console.log(`${data.train.labels.length} for training, ${data.test!.labels.length} for the test`);
  console.log(`${data.numClasses} classes: ${data.classNames.join(', ')}\n`);

  const { model, test, angles } = await train({
    data,
    model: models.seedCnn({ embeddingSize: 128 }),
    head: 'arcface',
    m: 0.5,
    s: 16,
    epochs: 8,
    progress: true,
  });
  console.log(`\n${model.summary()}\n`);
  model.dispose();

  const accuracy = `${(100 * test!.accuracy).toFixed(1)} %`;
  console.log(`test accuracy                                  ${accuracy}`);
  console.log(`mean angle of an image to its class's centre   ${angles!.ownCentreMean.toFixed(1)}°`);
  console.log(`mean angle between nearest class centres       ${angles!.nearestOtherCentreMean.toFixed(1)}°`);

  const title = 'ArcFace on Fashion-MNIST: angles of the test embeddings';
  const subtitle = `m 0.5 · s 16 · seed CNN, 128-D embedding · test accuracy ${accuracy}`;
  writeFileSync(PICTURE, anglesSvg({ ...angles!, title, subtitle }));
  console.log(`\nPicture of the angles: ${PICTURE}`);
}

demo();
