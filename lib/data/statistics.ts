import { turnEventLoop } from '../base/abort.js';
import { pixelsOf } from './pixels.js';
import { rangeOf, type Samples } from './samples.js';

export interface ChannelStatistics {
  /** [C], in units of pixels in 0…1 */
  mean: Float32Array;
  /** [C], in the same units; 1 for a channel without contrast */
  std: Float32Array;
}

const LEVELS = 256;

/** A fortieth of a grey level. To divide by less would turn a few stray pixels into values of thousands. */
const MIN_STD = 1e-4;

/** Counted in some ten milliseconds. */
const PIECE_BYTES = 4 * 2 ** 20;

/**
 * Mean and (biased) standard deviation of every channel over all of these samples' pixels. The event loop turns between
 * pieces of the work; rejects with the signal's reason once that is aborted.
 */
export async function channelStatistics(samples: Samples, signal?: AbortSignal): Promise<ChannelStatistics> {
  const [, height, width, channels] = samples.images.shape;
  const pixelsPerChannel = samples.numbers.length * height * width;
  const histogram = await countLevels(samples, signal);
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
async function countLevels(samples: Samples, signal?: AbortSignal): Promise<Float64Array> {
  const [, height, width, channels] = samples.images.shape;
  const histogram = new Float64Array(channels * LEVELS);
  const piece = Math.max(1, Math.floor(PIECE_BYTES / (height * width * channels)));
  for (let first = 0; first < samples.numbers.length; first += piece) {
    if (first > 0) await turnEventLoop(signal);
    addLevels(histogram, rangeOf(samples, first, first + piece));
  }
  return histogram;
}

function addLevels(histogram: Float64Array, { images, numbers }: Samples): void {
  const channels = images.shape[3];
  for (const number of numbers) {
    const data = pixelsOf(images, number);
    for (let pixel = 0; pixel < data.length; pixel += channels) {
      for (let channel = 0; channel < channels; channel += 1) {
        histogram[channel * LEVELS + data[pixel + channel]!]! += 1;
      }
    }
  }
}
