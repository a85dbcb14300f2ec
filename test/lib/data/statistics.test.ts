import { datasets, type ImageArray } from '../../../lib/data/index.js';
import { allOf, holdOut, imagesOf } from '../../../lib/data/samples.js';
import { channelStatistics } from '../../../lib/data/statistics.js';

/** Of all images. */
const statisticsOf = (images: ImageArray) =>
  channelStatistics(allOf({ images, labels: new Int32Array(images.shape[0]) }));

/** As one would write it down: two passes over the pixels of one channel. */
function naive({ data, shape: [N, H, W, C] }: ImageArray, channel: number) {
  const count = N * H * W;
  let sum = 0;
  for (let pixel = 0; pixel < count; pixel += 1) sum += data[pixel * C + channel]! / 255;
  const mean = sum / count;
  let squares = 0;
  for (let pixel = 0; pixel < count; pixel += 1) squares += (data[pixel * C + channel]! / 255 - mean) ** 2;
  return { mean, std: Math.sqrt(squares / count) };
}

test('three channels, each as a naive double loop has it', async () => {
  const shape: ImageArray['shape'] = [7, 5, 3, 3];
  const data = Uint8Array.from({ length: 315 }, (_, index) => (index * index * 31) >> (index % 3));
  const { mean, std } = await statisticsOf({ data, shape });
  expect(mean).toHaveLength(3);
  expect(std).toHaveLength(3);
  for (let channel = 0; channel < 3; channel += 1) {
    const expected = naive({ data, shape }, channel);
    expect(mean[channel]).toBeCloseTo(expected.mean, 6);
    expect(std[channel]).toBeCloseTo(expected.std, 6);
  }
});

test('a real data set', async () => {
  const { images } = (await datasets.fashionMnistSample()).train;
  const expected = naive(images, 0);
  const { mean, std } = await statisticsOf(images);
  expect(mean[0]).toBeCloseTo(expected.mean, 6);
  expect(std[0]).toBeCloseTo(expected.std, 6);
});

test('half black, half white', async () => {
  const { mean, std } = await statisticsOf({ data: Uint8Array.of(0, 255, 255, 0), shape: [1, 2, 2, 1] });
  expect([mean[0], std[0]]).toEqual([0.5, 0.5]);
});

test('a channel without contrast has standard deviation 1', async () => {
  const data = Uint8Array.of(7, 0, 7, 255);
  const { mean, std } = await statisticsOf({ data, shape: [2, 1, 1, 2] });
  expect([...std]).toEqual([1, 0.5]);
  expect(mean[0]).toBeCloseTo(7 / 255, 7);
});

test('one stray pixel among many is no contrast', async () => {
  const data = new Uint8Array(4_000_000);
  data[5] = 1;
  expect((await statisticsOf({ data, shape: [4, 1000, 1000, 1] })).std[0]).toBe(1);
});

test('samples that are held out do not count', async () => {
  const { train } = await datasets.fashionMnistSample();
  const { kept } = holdOut(train, 10, 0.5);
  const expected = naive(imagesOf(kept), 0);
  const { mean, std } = await channelStatistics(kept);
  expect(mean[0]).toBeCloseTo(expected.mean, 6);
  expect(std[0]).toBeCloseTo(expected.std, 6);
  expect(mean[0]).not.toBeCloseTo((await statisticsOf(train.images)).mean[0]!, 4);
});

describe('of many pixels', () => {
  const many = (): ImageArray => ({ data: new Uint8Array(60_000_000).fill(9), shape: [60, 1000, 1000, 1] });

  test('the event loop turns meanwhile', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const { mean } = await statisticsOf(many());
    clearInterval(timer);
    expect(mean[0]).toBeCloseTo(9 / 255, 7);
    expect(turns).toBeGreaterThan(5);
  });

  test('an abort ends it with its reason', async () => {
    const { images, numbers } = allOf({ images: many(), labels: new Int32Array(60) });
    const controller = new AbortController();
    const reason = new Error('enough');
    const counted = channelStatistics({ images, numbers, labels: new Int32Array(60) }, controller.signal);
    setImmediate(() => controller.abort(reason));
    await expect(counted).rejects.toBe(reason);
  });

  test('pixels that are transferred away meanwhile are missed', async () => {
    const images = many();
    const counted = statisticsOf(images);
    structuredClone(images.data.buffer, { transfer: [images.data.buffer as ArrayBuffer] });
    await expect(counted).rejects.toMatchObject({ code: 'INVALID_DATA' });
  });
});
