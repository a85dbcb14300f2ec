// Fashion-MNIST for the contenders written in JavaScript.
const { readFileSync } = require('node:fs');
const { gunzipSync } = require('node:zlib');

/** An IDX file of unsigned bytes, gzipped or not: two zero bytes, type, rank, big-endian sizes, values. */
function readIdx(path) {
  const stored = readFileSync(path);
  const bytes = path.endsWith('.gz') ? gunzipSync(stored) : stored;
  const shape = Array.from({ length: bytes[3] }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  return { shape, data: bytes.subarray(4 + 4 * shape.length) };
}

/** The first `limit` training images, uint8, with their labels. */
function load({ images, labels, limit }) {
  const { shape, data } = readIdx(images);
  const [, height, width] = shape;
  const pixels = height * width;
  return {
    height,
    width,
    pixels,
    images: data.subarray(0, limit * pixels),
    labels: readIdx(labels).data.subarray(0, limit),
  };
}

/** Mean and standard deviation of all pixels in [0, 1], as every contender normalises by them. */
function normalization(images) {
  let sum = 0;
  let squares = 0;
  for (const value of images) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / images.length;
  return { mean: mean / 255, std: Math.sqrt(squares / images.length - mean * mean) / 255 };
}

/** Row numbers in a new random order without end, `size` at a time. */
function* randomRows(count, size) {
  for (;;) {
    const order = Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    for (let start = 0; start + size <= count; start += size) yield order.slice(start, start + size);
  }
}

module.exports = { load, normalization, randomRows };
