// node bench/data/largeSet.mjs FOLDER CACHE SIDE: decodes a folder of photographs and trains on it for an epoch, and prints
// as JSON how long that took and how much anonymous memory the process had at most.
import { readFileSync } from 'node:fs';
import { datasets, train } from '../../dist/lib/index.mjs';
import { physicalCores } from '../shared/machine.mjs';
import { smallNetwork } from './smallNetwork.mjs';

const [folder, cache, side] = process.argv.slice(2);

const anonymousMiB = () =>
  Number(readFileSync('/proc/self/status', 'utf8').match(/^RssAnon:\s+(\d+) kB/m)[1]) / 1024;
let mostMiB = 0;
const look = () => {
  mostMiB = Math.max(mostMiB, anonymousMiB());
};
const watch = setInterval(look, 20);

const begin = performance.now();
const data = await datasets.imageFolder(folder, { size: Number(side), cache, test: 0 });
const decodeSeconds = (performance.now() - begin) / 1000;
look();
const { model, history } = await train({
  ...{ data, model: smallNetwork, head: 'softmax', epochs: 1, batchSize: 64, normalize: 'unit' },
  ...{ threads: physicalCores(), device: 'cpu', progress: false, onStep: look },
});
model.dispose();
clearInterval(watch);
const [count, ...size] = data.train.images.shape;
const bytes = [count, ...size].reduce((product, each) => product * each);
const { imagesPerSecond } = history[0];
console.log(JSON.stringify({ images: count, bytes, decodeSeconds, imagesPerSecond, mostMiB }));
