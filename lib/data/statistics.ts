import type { ImageArray } from './types.js';

export interface ChannelStatistics {
  /** [C], in units of pixels in 0…1 */
  mean: Float32Array;
  /** [C], in the same units; 1 for a channel without contrast */
  std: Float32Array;
}

const LEVELS = 256;

/** A fortieth of a grey level. To divide by less would turn a few stray pixels into values of thousands. */
const MIN_STD = 1e-4;

/** Mean and (biased) standard deviation of every channel over all images and pixels. */
export function channelStatistics({ data, shape }: ImageArray): ChannelStatistics {
  const channels = shape[3];
  const pixelsPerChannel = data.length / channels;
  const histogram = countLevels(data, channels);
  const mean = new Float32Array(channels);
  const std = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel += 1) {
    const counts = histogram.subarray(channel * LEVELS, (channel + 1) * LEVELS);
    const average = counts.reduce((sum, count, level) => sum + count * level, 0) / pixelsPerChannel;
    const squares = counts.reduce((sum, count, level) => sum + count * (level - average) ** 2, 0);
    const deviation = Math.sqrt(squares / pixelsPerChannel) / (LEVELS - 1);
    mean[channel] = average / (LEVELS - 1);
    std[channel] = deviation < MIN_STD ? 1 : deviation;
  }
  return { mean, std };
}

/** [C, 256]. Float64 counts and their sums are exact up to 2^53, whatever the number of pixels. */
function countLevels(data: Uint8Array, channels: number): Float64Array {
  const histogram = new Float64Array(channels * LEVELS);
  for (let pixel = 0; pixel < data.length; pixel += channels) {
    for (let channel = 0; channel < channels; channel += 1) {
      histogram[channel * LEVELS + data[pixel + channel]!]! += 1;
    }
  }
  return histogram;
}
