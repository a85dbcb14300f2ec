/** Changed images, against torchvision's own functions with the same draws (test/parity/make_augmentation.py). */
import { type AugmentOptions, checkAugment } from '../../lib/data/augment.js';
import { allOf, rangeOf } from '../../lib/data/samples.js';
import { augmentedImages } from '../../lib/report/augmentedPicture.js';
import { BACKENDS, reportMissing, whyMissing } from '../support/backends.js';
import { readJson } from './reference.js';

interface Reference {
  seed: number;
  count: number;
  sizes: [H: number, W: number, C: number][];
  epochs: number[];
  /** By 'HxWxCxepoch' */
  cases: Record<string, { augment: AugmentOptions; pixels: Record<string, number[]> }>;
}

const REFERENCE: Reference = readJson('augmentation.json');

/** The file has three decimals; places in pixels are rounded to fp32. */
const MOST = 3e-3;

function images([H, W, C]: readonly number[], count: number) {
  const data = Uint8Array.from({ length: count * H! * W! * C! }, (_, index) =>
    Number(((BigInt(index) * 2654435761n) >> 13n) % 256n),
  );
  return allOf({ images: { data, shape: [count, H!, W!, C!] }, labels: new Int32Array(count) });
}

describe.each(BACKENDS)('on %s', (device) => {
  const why = whyMissing(device);
  if (why !== '') return reportMissing(device, why);
  describe.each(Object.entries(REFERENCE.cases))('%s', (_, { augment, pixels }) => {
    test.each(Object.entries(pixels))('%s', async (size, expected) => {
      const [H, W, C, epoch] = size.split('x').map(Number) as [number, number, number, number];
      const samples = images([H, W, C], REFERENCE.count);
      const options = { augment: checkAugment(augment, 'augment'), seed: REFERENCE.seed, epoch, device };
      const found = await augmentedImages(samples, options);
      expect(found).toHaveLength(expected.length);
      const worst = Math.max(...found.map((value, index) => Math.abs(value - expected[index]!)));
      expect(worst).toBeLessThan(MOST);
      // A part of them: the number of a sample counts, not its place.
      const last = await augmentedImages(rangeOf(samples, REFERENCE.count - 1, REFERENCE.count), options);
      expect(last).toEqual(found.subarray(found.length - last.length));
    });
  });
});
