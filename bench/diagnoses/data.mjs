// The data sets of the matrix: parts of the bundled sample with ten and two classes, and 500 classes that are made up.
import { datasets } from '../../dist/lib/index.mjs';

const sample = await datasets.fashionMnistSample();

/** The settings of `train()` and the data, for 10, 2 and 500 classes. */
export function sets({ model, images, batchSize, epochs, seed }) {
  const settings = { model, batchSize, epochs, seed };
  return [
    { name: '10 classes', numClasses: 10, data: part((label) => label, images), settings },
    {
      name: '2 classes',
      numClasses: 2,
      data: part((label) => Number([1, 2, 5, 6, 9].includes(label)), images),
      settings,
    },
    { name: '500 classes', numClasses: 500, data: madeUp(500, 8, 2), settings },
  ];
}

/** The first images of the sample for training, others for the test, and every label made another. */
function part(relabelled, count) {
  const chosen = (split, from, end) => {
    const numbers = [...split.labels.keys()].slice(from, end);
    const data = new Uint8Array(numbers.length * 784);
    for (const [to, from] of numbers.entries()) {
      data.set(split.images.data.subarray(from * 784, from * 784 + 784), to * 784);
    }
    const labels = Int32Array.from(numbers, (i) => relabelled(split.labels[i]));
    return { images: { data, shape: [numbers.length, 28, 28, 1] }, labels };
  };
  return { ...chosen(sample.train, 0, count), test: chosen(sample.train, count, count + 3000) };
}

/** Every class a smooth random pattern of its own; every image that pattern, moved by up to a pixel, with noise. */
function madeUp(numClasses, trained, tested) {
  const random = generator(7);
  const patterns = Array.from({ length: numClasses }, () => pattern(random));
  const split = (each) => {
    const count = numClasses * each;
    const data = new Uint8Array(count * 256);
    const labels = Int32Array.from({ length: count }, (_, i) => i % numClasses);
    for (const [i, label] of labels.entries()) data.set(drawn(patterns[label], random), i * 256);
    return { images: { data, shape: [count, 16, 16, 1] }, labels };
  };
  return { ...split(trained), test: split(tested) };
}

/** 18×18 grey values: 6×6 random ones, enlarged. */
function pattern(random) {
  const coarse = Float32Array.from({ length: 36 }, () => 255 * random());
  return Float32Array.from(
    { length: 324 },
    (_, i) => coarse[6 * Math.floor(i / 54) + Math.floor((i % 18) / 3)],
  );
}

function drawn(values, random) {
  const [down, right] = [Math.floor(2 * random()), Math.floor(2 * random())];
  return Uint8Array.from({ length: 256 }, (_, i) => {
    const at = 18 * (Math.floor(i / 16) + down) + (i % 16) + right;
    return Math.min(255, Math.max(0, values[at] + 60 * (random() + random() - 1)));
  });
}

/** Numbers in [0, 1), the same everywhere (mulberry32). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
