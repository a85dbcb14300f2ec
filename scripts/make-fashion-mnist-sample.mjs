/**
 * Makes datasets/fashion-mnist-sample from the full Fashion-MNIST: of every class the first 600 training and the
 * first 100 test images, kept in file order. The same input and the same zlib give the same bytes.
 *
 *     node scripts/make-fashion-mnist-sample.mjs <folder of the full data set> [output folder]
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';

const CLASSES = 10;
const SPLITS = [
  { prefix: 'train', perClass: 600 },
  { prefix: 't10k', perClass: 100 },
];

const bundled = fileURLToPath(new URL('../datasets/fashion-mnist-sample/', import.meta.url));
const [source, output = bundled] = process.argv.slice(2);
if (source === undefined) {
  console.error(
    'usage: node scripts/make-fashion-mnist-sample.mjs <folder of the full data set> [output folder]',
  );
  process.exit(2);
}

const checksums = {};
for (const { prefix, perClass } of SPLITS) {
  const imagesName = `${prefix}-images-idx3-ubyte.gz`;
  const labelsName = `${prefix}-labels-idx1-ubyte.gz`;
  const images = readIdx(imagesName);
  const labels = readIdx(labelsName);
  if (images.items.length !== labels.items.length) {
    throw new Error(`${imagesName} has ${images.items.length} items, ${labelsName} ${labels.items.length}`);
  }
  const chosen = firstOfEachClass(labels.items, perClass, labelsName);
  writeIdx(imagesName, images, chosen);
  writeIdx(labelsName, labels, chosen);
}
writeFileSync(join(output, 'checksums.json'), `${JSON.stringify(checksums, null, 2)}\n`);

/** The header after the item count, and the items, of an unsigned-byte IDX file. */
function readIdx(name) {
  const bytes = gunzipSync(readFileSync(join(source, name)));
  const rank = bytes[3];
  if (bytes.readUInt16BE(0) !== 0 || bytes[2] !== 0x08)
    throw new Error(`${name} is not an IDX file of bytes`);
  const headerLength = 4 + 4 * rank;
  const count = bytes.readUInt32BE(4);
  const itemLength = (bytes.length - headerLength) / count;
  const items = Array.from({ length: count }, (_, index) =>
    bytes.subarray(headerLength + index * itemLength, headerLength + (index + 1) * itemLength),
  );
  return { magic: bytes.subarray(0, 4), itemShape: bytes.subarray(8, headerLength), items };
}

function firstOfEachClass(labels, perClass, name) {
  const taken = new Array(CLASSES).fill(0);
  const chosen = [];
  for (const [index, [label]] of labels.entries()) {
    if (taken[label] === perClass) continue;
    taken[label] += 1;
    chosen.push(index);
  }
  if (chosen.length !== CLASSES * perClass) {
    throw new Error(`${name} has too few samples of a class for ${perClass} of each: ${taken}`);
  }
  return chosen;
}

function writeIdx(name, { magic, itemShape, items }, chosen) {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(chosen.length);
  const content = Buffer.concat([magic, count, itemShape, ...chosen.map((index) => items[index])]);
  const file = gzipSync(content, { level: 9 }); // Node writes no name and no time into the gzip header
  checksums[name] = createHash('sha256').update(file).digest('hex');
  writeFileSync(join(output, name), file);
}
