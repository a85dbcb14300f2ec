import { type Dataset, datasets, type Split } from '../../lib/index.js';

/** The first images of the bundled sample, in its order, whose classes are mixed. */
export async function sample(trainImages: number, testImages = 0): Promise<Dataset> {
  const { train, test, ...rest } = await datasets.fashionMnistSample();
  const dataset = { ...rest, train: first(train, trainImages) };
  return testImages === 0 ? dataset : { ...dataset, test: first(test!, testImages) };
}

export function first({ images, labels }: Split, count: number): Split {
  const [, H, W, C] = images.shape;
  return {
    images: { data: images.data.slice(0, count * H * W * C), shape: [count, H, W, C] },
    labels: labels.slice(0, count),
  };
}
