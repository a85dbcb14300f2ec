// Images in a mapped file beside the same ones in memory; and what a set larger than memory should be needs of it.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { datasets, train } from '../../dist/lib/index.mjs';
import { physicalCores } from '../shared/machine.mjs';
import { median } from '../shared/statistics.mjs';
import { smallNetwork } from './smallNetwork.mjs';

const LARGE_SET = fileURLToPath(new URL('largeSet.mjs', import.meta.url));
export const SIDE = 256;
const COMPARED = 4096; // images in both places

/** Decodes the photographs and trains on all of them, in a process of its own. */
export async function measureLargeSet(photographs, cache) {
  const { stdout } = await promisify(execFile)(process.execPath, [LARGE_SET, photographs, cache, `${SIDE}`]);
  return JSON.parse(stdout);
}

/** Images/s of the first of these photographs from the file, which the system has cached, and from an array; in turn. */
export async function measureMapped(photographs, cache, rounds) {
  const all = await datasets.imageFolder(photographs, { size: SIDE, cache, test: 0 });
  const mapped = datasets.subset(all, { take: COMPARED });
  const arrays = copied(mapped);
  const rates = { mapped: [], arrays: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [place, data] of Object.entries({ mapped, arrays })) {
      const result = await train({
        ...{ data, model: smallNetwork, head: 'softmax', epochs: 3, batchSize: 64, normalize: 'unit' },
        ...{ threads: physicalCores(), device: 'cpu', progress: false },
      });
      result.model.dispose();
      rates[place].push(median(result.history.slice(1).map(({ imagesPerSecond }) => imagesPerSecond)));
      console.error(`${place}: ${rates[place].at(-1).toFixed(0)} images/s`);
    }
  }
  return {
    images: COMPARED,
    mapped: median(rates.mapped),
    arrays: median(rates.arrays),
    ratio: median(rates.mapped.map((rate, round) => rate / rates.arrays[round])),
  };
}

function copied({ train: split, classNames }) {
  const [count, ...size] = split.images.shape;
  const bytes = size.reduce((product, each) => product * each);
  const data = new Uint8Array(count * bytes);
  for (let i = 0; i < count; i++) data.set(split.images.pixels(i, 1), i * bytes);
  return { train: { images: { data, shape: [count, ...size] }, labels: split.labels }, classNames };
}

const gigabytes = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

export const packedTable = ({ large, compared }) =>
  [
    `${large.images.toLocaleString('en')} JPEGs of ${SIDE} × ${SIDE}, ${gigabytes(large.bytes)} once decoded, with a network that does little for each pixel:`,
    '',
    '| | |',
    '|---|---|',
    `| decoding them into the file | ${large.decodeSeconds.toFixed(0)} s, ${(large.images / large.decodeSeconds).toFixed(0)} images/s |`,
    `| then an epoch | ${large.imagesPerSecond.toFixed(0)} images/s |`,
    `| anonymous memory of the process meanwhile, at most | ${large.mostMiB.toFixed(0)} MiB |`,
    `| the first ${compared.images.toLocaleString('en')} of them, cached by the system | ${compared.mapped.toFixed(0)} images/s |`,
    `| the same in an array | ${compared.arrays.toFixed(0)} images/s |`,
    `| from the file, of the speed from the array | ${compared.ratio.toFixed(3)}× |`,
  ].join('\n');
