import { expectedFirstLoss } from '../../../lib/heads/firstLoss.js';
import { checkHead, resolveHead } from '../../../lib/heads/resolve.js';
import { type HeadLossOptions, headLoss } from '../../../lib/index.js';

/** Options as a JavaScript caller may write them, for ten classes. */
const expected = (options: Record<string, unknown>, embeddingSize = 1024, steps = 1000, classShare = 1) =>
  expectedFirstLoss(resolveHead(checkHead(options), 10), { embeddingSize, steps, classShare });

/** Of ten classes whose logits are equal but for the target's, which is `gap` lower. */
const withGap = (gap: number) => Math.log(1 + 9 * Math.exp(gap));

test.each<[Record<string, unknown>, number]>([
  [{}, Math.log(10)],
  [{ head: 'l2-softmax', l2Scope: 'batch', alpha: 0 }, Math.log(10)],
  [{ head: 'normface' }, Math.log(10)],
  [{ head: 'arcface' }, withGap(30 * Math.sin(0.5))],
  [{ head: 'arcface', m: 0 }, Math.log(10)],
  [{ head: 'arcface', marginWarmup: 0.1 }, Math.log(10)],
  [{ head: 'am-softmax' }, withGap(30 * 0.35)],
  [{ head: 'combined', m3: 0.2 }, withGap(30 * (Math.sin(0.5) + 0.2))],
  [{ head: 'pedcc' }, withGap(7.5 * 0.35) + 2],
  [{ head: 'l-softmax' }, Math.log(10)],
  [{ head: 'l-softmax', lambda: 0, marginWarmup: 10 }, Math.log(10)],
  [{ head: 'l-softmax', lambda: 0, m: 1 }, Math.log(10)],
  [{ head: 'a-softmax', lambda: 'sphereface' }, Math.log(10)],
])('of %j', (options, loss) => {
  expect(expected(options)).toBeCloseTo(loss, 5);
});

/** The loss of a head whose features stand at 90° to every class weight: even and odd axes. */
async function atRightAngles(options: Record<string, unknown>): Promise<number> {
  const [classes, size] = [10, 20];
  const weights = new Float32Array(classes * size);
  for (let label = 0; label < classes; label++) weights[label * size + 2 * label] = 1;
  const result = await headLoss({
    features: Float32Array.from({ length: size }, (_, axis) => axis % 2),
    weights,
    labels: Int32Array.of(3),
    numClasses: classes,
    embeddingSize: size,
    ...options,
  } as HeadLossOptions);
  return result.loss;
}

test.each([
  { head: 'softmax' },
  { head: 'normface', s: 3 },
  { head: 'arcface', s: 3 },
  { head: 'arcface', s: 16, m: 1.2 },
  { head: 'am-softmax', s: 5 },
  { head: 'combined', s: 4, m1: 1.2, m2: 0.3, m3: 0.1 },
  { head: 'combined', s: 4, m1: 2.5, m2: 0.3, m3: 0.1 },
  { head: 'pedcc' },
  { head: 'pedcc', s: 3, m: 0.1, weight: 4 },
  { head: 'arcface', s: 8, labelSmoothing: 0.2 },
])('%j: that of a head all of whose angles are 90°', async (options) => {
  expect(expected(options)).toBeCloseTo(await atRightAngles(options), 4);
});

test.each<[string, Record<string, unknown>, number?]>([
  ['few dimensions', { head: 'arcface' }, 255],
  ['a margin for some only', { head: 'arcface', easyMargin: true }],
  ['normalised logits', { head: 'scaled-bn' }],
  ['normalised logits of another head', { head: 'arcface', logitNormalizer: 'scaled-bn' }],
  ['centres', { head: 'center' }],
  ['centres of another head', { head: 'normface', auxiliary: 'center' }],
  ['a margin in force on features with their own length', { head: 'l-softmax', lambda: 5 }],
  ['lengths of features and weights', { head: 'l2-softmax' }],
])('nothing is expected with %s', (_, options, size = 1024) => {
  expect(expected(options, size)).toBeUndefined();
});
