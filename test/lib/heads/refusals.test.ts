/** What a head refuses, and in which words. */
import { checkHead, resolveHead } from '../../../lib/heads/resolve.js';
import { refusal } from '../../support/refusal.js';

/** Options as a JavaScript caller may write them, for ten classes. */
const resolve = (options: Record<string, unknown>, numClasses = 10) =>
  resolveHead(checkHead(options), numClasses);

test('m in degrees is refused with the radians', async () => {
  for (const [options, name] of [
    [{ head: 'arcface', m: 28.6 }, 'm'],
    [{ head: 'combined', m2: 28.6 }, 'm2'],
  ] as const) {
    expect((await refusal(() => resolve(options))).message).toBe(
      `Expected an angle in radians in [0, π/2] for ${name} but received 28.6 of type number. ` +
        'Were degrees meant? 28.6 degrees are 0.4992 radians',
    );
  }
});

test.each<[Record<string, unknown>, string]>([
  [{ head: 'arcFace' }, "Did you mean 'arcface'?"],
  [{ head: 'softmaks' }, "Did you mean 'softmax'?"],
  [{ head: 'lsoftmax' }, "Did you mean 'l-softmax'?"],
  [{ head: 'amsoftmax' }, "Did you mean 'am-softmax'?"],
  [{ head: 'spherface' }, "Did you mean 'sphereface'?"],
  [{ head: 3 }, "one of 'softmax', 'l2-softmax', 'normface', 'l-softmax', "],
  [{ head: 'arcface', m: Number.NaN }, 'for m but received NaN'],
  [{ head: 'arcface', m: Number.POSITIVE_INFINITY }, 'for m but received Infinity'],
  [{ head: 'arcface', m: -0.1 }, 'a number of at least 0 for m but received -0.1'],
  [{ head: 'arcface', m: '0.5' }, 'for m but received "0.5" of type string'],
  [{ head: 'arcface', s: 0 }, 'a number above 0 for s'],
  [{ head: 'arcface', s: 'automatic' }, "a number above 0, 'auto' or { learn: true, init } for s"],
  [{ head: 'arcface', s: { init: 3 } }, 'true for s.learn'],
  [{ head: 'arcface', s: { learn: true, start: 3 } }, 'for s.start'],
  [{ head: 'arcface', s: { learn: true, init: 0 } }, 'a number above 0 for s.init'],
  [{ head: 'arcface', wrap: 'continous' }, "Did you mean 'continue'?"],
  [{ head: 'arcface', gradient: 'Exact' }, "one of 'exact', 'detached' for gradient"],
  [{ head: 'arcface', easyMargin: 1 }, 'true or false for easyMargin'],
  [{ head: 'arcface', marginWarmup: 1.5 }, 'a whole number for marginWarmup'],
  [{ head: 'arcface', marginWarmup: -0.1 }, 'a number of at least 0 for marginWarmup'],
  [{ head: 'l2-softmax', alpha: -1 }, 'a number of at least 0 for alpha'],
  [{ head: 'l2-softmax', alpha: 'auto' }, 'a number of at least 0 or { learn: true, init } for alpha'],
  [{ head: 'l2-softmax', alpha: { learn: true, init: 0 } }, 'a number above 0 for alpha.init'],
  [{ head: 'l2-softmax', alpha: { learn: 1 } }, 'true for alpha.learn'],
  [{ head: 'l2-softmax', l2Scope: 'row' }, "one of 'sample', 'batch' for l2Scope"],
  [{ head: 'l2-softmax', l2Scope: 'bach' }, "Did you mean 'batch'?"],
  [{ head: 'softmax', bias: 0 }, 'true or false for bias'],
  [{ head: 'l-softmax', m: 0 }, 'a whole number in [1, 16] for m'],
  [{ head: 'l-softmax', m: 2.5 }, 'a whole number in [1, 16] for m'],
  [{ head: 'a-softmax', m: 17 }, 'a whole number in [1, 16] for m'],
  [{ head: 'a-softmax', lambda: -1 }, 'a number of at least 0 for lambda'],
  [{ head: 'am-softmax', m: 2.1 }, 'a number in [0, 2] for m'],
  [{ head: 'am-softmax', m: -0.1 }, 'a number in [0, 2] for m'],
  [{ head: 'combined', m1: 0 }, 'a number in (0, 16] for m1'],
  [{ head: 'combined', m1: 16.5 }, 'for m1'],
  [{ head: 'combined', m2: -1 }, 'for m2'],
  [{ head: 'combined', m3: 2.5 }, 'a number in [0, 2] for m3'],
  [{ head: 'pedcc', weight: -1 }, 'a number of at least 0 for weight'],
  [{ head: 'pedcc', m: '0.35' }, 'for m but received "0.35" of type string'],
  [{ head: 'center', weight: Number.NaN }, 'a number of at least 0 for weight'],
  [{ head: 'center', rate: 1.1 }, 'a number in [0, 1] for rate'],
  [{ head: 'scaled-bn', m: 0 }, 'a number above 0 for m'],
  [{ head: 'scaled-bn', epsilon: 0 }, 'a number above 0 for epsilon'],
  [
    { head: 'l2-softmax', l2Scope: 'batch', logitNormalizer: 'scaled-bn' },
    "no value beside l2Scope 'batch' for logitNormalizer",
  ],
  [{ logitNormalizer: true }, "'scaled-bn' or { type: 'scaled-bn', … } for logitNormalizer"],
  [{ logitNormalizer: 'sbn' }, "'scaled-bn' or { type: 'scaled-bn', … } for logitNormalizer"],
  [{ logitNormalizer: {} }, "'scaled-bn' for logitNormalizer.type"],
  [{ logitNormalizer: { type: 'scaled_bn' } }, "Did you mean 'scaled-bn'?"],
  [{ logitNormalizer: { type: 'scaled-bn', m: -1 } }, 'a number above 0 for logitNormalizer.m'],
  [{ logitNormalizer: { type: 'scaled-bn', eps: 1 } }, 'for logitNormalizer.eps'],
  [{ auxiliary: ['center'] }, "'center' or { type: 'center', … } for auxiliary"],
  [{ auxiliary: { type: 'center', weight: -1 } }, 'a number of at least 0 for auxiliary.weight'],
  [{ auxiliary: { type: 'center', rate: 2 } }, 'a number in [0, 1] for auxiliary.rate'],
  [{ auxiliary: { type: 'center', wieght: 1 } }, "Did you mean 'weight'?"],
  [{ featureDropout: 1 }, 'a number in [0, 1) for featureDropout'],
  [{ labelSmoothing: -0.1 }, 'a number in [0, 1) for labelSmoothing'],
  [{ headLr: -1 }, 'a number of at least 0 for headLr'],
  [{ classWeights: [1, 2] }, '10 numbers, one per class, for classWeights'],
  [{ classWeights: 'balanced' }, 'an array of numbers for classWeights'],
  [{ classWeights: Array(10).fill(0) }, 'a weight above 0 for classWeights'],
  [{ classWeights: [1, 1, 1, -1, 1, 1, 1, 1, 1, 1] }, 'for classWeights[3]'],
])('%j is refused', async (options, message) => {
  const error = await refusal(() => resolve(options));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toMatch(/^Expected .* but received .* of type /);
  expect(error.message).toContain(message);
});
