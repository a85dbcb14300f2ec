// What is trained: small enough for a second or two per run.
import { batchNorm, conv2d, linear, maxPool2d, prelu, relu, sequential } from '../../dist/lib/index.mjs';

const tuned = sequential([
  conv2d({ outChannels: 8, kernelSize: 5, stride: 2 }),
  relu(),
  conv2d({ outChannels: 16, kernelSize: 3, stride: 2 }),
  relu(),
  linear({ outFeatures: 64 }),
]);

const normalised = sequential([
  conv2d({ outChannels: 12, kernelSize: 5, stride: 2 }),
  batchNorm(),
  relu(),
  maxPool2d({ kernelSize: 2 }),
  linear({ outFeatures: 128 }),
]);

const deep = sequential([
  conv2d({ outChannels: 8, kernelSize: 3, stride: 2 }),
  prelu(),
  conv2d({ outChannels: 16, kernelSize: 3, stride: 2 }),
  prelu(),
  conv2d({ outChannels: 24, kernelSize: 3 }),
  prelu(),
  linear({ outFeatures: 96 }),
  relu(),
  linear({ outFeatures: 32 }),
]);

/** The rules were chosen by these runs. */
export const TUNED = { name: 'tuned', model: tuned, images: 1500, batchSize: 32, epochs: 8, seed: 1 };

/** And by none of these. */
export const HELD_OUT = [
  { name: 'other seed', model: tuned, images: 1500, batchSize: 32, epochs: 8, seed: 2 },
  { name: 'batch norm', model: normalised, images: 3000, batchSize: 64, epochs: 6, seed: 3 },
  { name: 'deeper', model: deep, images: 2400, batchSize: 24, epochs: 12, seed: 4 },
];
