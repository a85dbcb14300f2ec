import { conv2d, linear, maxPool2d, relu, sequential } from '../../lib/index.js';

/** A network for 28×28×1 images whose step takes a few milliseconds: for tests of everything but accuracy. */
export const tinyModel = sequential(
  [
    conv2d({ outChannels: 4, kernelSize: 5 }),
    relu(),
    maxPool2d({ kernelSize: 4 }),
    linear({ name: 'embedding', outFeatures: 16 }),
  ],
  { name: 'tiny' },
);
