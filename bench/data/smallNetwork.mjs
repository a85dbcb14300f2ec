import { conv2d, globalAveragePool, linear, relu, sequential } from '../../dist/lib/index.mjs';

/** Little work for each pixel, so that reading them weighs: far less than any network that is trained in earnest. */
export const smallNetwork = sequential([
  conv2d({ outChannels: 16, kernelSize: 8, stride: 8 }),
  relu(),
  conv2d({ outChannels: 32, kernelSize: 3, padding: 'same' }),
  relu(),
  globalAveragePool(),
  linear({ outFeatures: 32 }),
]);
