/**
 * `train()` itself, called as users call it, against what PyTorch computed in fp64 from the same options
 * (train_reference.json): which images, in which order, at which rates, with which optimizer, and what is said of it.
 */
import { createHash } from 'node:crypto';
import { BACKENDS, reportMissing, whyMissing } from '../support/backends.js';
import { ASPECTS, stray } from './trainAspects.js';
import { trainLimits, trainReference } from './trainReference.js';
import { type Received, runTrain, twoChannels } from './trainRun.js';

const { cases } = trainReference;

test('the images are those of the reference', () => {
  const { imagesUsed, imagesSha256 } = trainReference;
  const used = twoChannels().images.subarray(0, imagesUsed * 16 * 16 * 2);
  expect(createHash('sha256').update(used).digest('hex')).toBe(imagesSha256);
});

test('limits are between 3 and 30 times the noise of fp32', () => {
  const worst = new Map<string, number>();
  for (const { noise } of Object.values(cases)) {
    for (const [limit, value] of Object.entries(noise)) {
      worst.set(limit, Math.max(worst.get(limit) ?? 0, value));
    }
  }
  const { exact: _, initial: __, ...limits } = trainLimits();
  expect([...worst.keys()].sort()).toEqual(Object.keys(limits).sort());
  const ratios = Object.entries(limits).map(([name, limit]) => [name, limit / worst.get(name)!] as const);
  expect(ratios.filter(([, ratio]) => !(ratio >= 3 && ratio <= 30))).toEqual([]);
});

/** One option each that is a little off; of an optimizer, one of its own. */
const CHANGES: [name: string, change: Record<string, unknown>][] = [
  ['sgd', { optimizer: { momentum: 0.801 } }],
  ['sgd', { optimizer: { nesterov: false } }],
  ['sgd', { optimizer: { weightDecay: 0.0501 } }],
  ['sgd', { headLr: 3.01 }],
  ['sgd', { normalize: 'unit' }],
  ['sgd', { seed: 2 }],
  ['sgd without momentum, learned scale', { headLr: 4.01 }],
  ['sgd by name', { optimizer: { type: 'sgd', weightDecay: 0 } }],
  ['sgd by name', { featureDropout: 0.31 }],
  ['adam', { optimizer: { beta1: 0.801 } }],
  ['adam', { optimizer: { beta2: 0.951 } }],
  ['adam', { optimizer: { epsilon: 1.01e-4 } }],
  ['adam', { optimizer: { weightDecay: 0.0201 } }],
  ['adam', { normalize: 'dataset' }],
  ['adam', { validation: 0.3 }],
  ['adamw, learned scale', { optimizer: { weightDecay: 0.301 } }],
  ['adamw, learned scale', { optimizer: { type: 'adam' } }],
  ['adamw by name, weighted classes', { optimizer: { type: 'adamw', weightDecay: 0 } }],
  ['adamw by name, weighted classes', { labelSmoothing: 0.101 }],
  ['adamw by name, weighted classes', { classWeights: [1, 2, 0.5, 1, 1, 3, 1, 0.251, 1, 1] }],
  ['lambda by power', { lambda: { base: 20, gamma: 0.3, power: 2, min: 0.51 } }],
  ['lambda by sixth power, margin warm-up', { marginWarmup: 0.45 }],
  ['margin warm-up in steps', { marginWarmup: 8 }],
  ['statistics over the batch', { auxiliary: { type: 'center', weight: 0.1, rate: 0.301 } }],
  ['sgd, clipped', { clipGradients: 12.01 }],
  ['adam, clipped', { clipGradients: 18.1 }],
  [
    'sgd, one cycle',
    { learningRate: { type: 'oneCycle', peak: 0.02, momentum: { base: 0.601, max: 0.95 } } },
  ],
  ['sgd, one cycle', { learningRate: { type: 'oneCycle', peak: 0.02 } }],
  [
    'adam, one cycle',
    { learningRate: { type: 'oneCycle', peak: 4e-3, momentum: { base: 0.5, max: 0.951 } } },
  ],
  ['adam, one cycle', { learningRate: { type: 'oneCycle', peak: 4e-3 } }],
  ['one cycle without its momentum', { learningRate: { type: 'oneCycle', peak: 4e-3, momentum: {} } }],
  ['one long epoch', { batchSize: 63 }],
];

function changed(options: Record<string, unknown>, change: Record<string, unknown>) {
  if (change.optimizer === undefined) return { ...options, ...change };
  const own = typeof options.optimizer === 'object' ? options.optimizer : {};
  return { ...options, optimizer: { ...own, ...(change.optimizer as object) } };
}

describe.each(BACKENDS)('train() on %s', (backend) => {
  const missing = whyMissing(backend);
  if (missing !== '') {
    reportMissing(backend, missing);
    return;
  }

  describe.each(Object.entries(cases))('%s', (_, expected) => {
    let received: Received;
    beforeAll(async () => {
      received = await runTrain(backend, expected);
    }, 60_000);

    test.each(ASPECTS)('$title', (aspect) => {
      expect(stray(aspect, received, expected)).toEqual([]);
    });
  });

  // Whether an option arrives does not depend on the backend.
  if (backend !== 'cpu') return;

  test.each(CHANGES)('another run is told from it: %s, with %j', async (name, change) => {
    const expected = cases[name]!;
    const received = await runTrain(backend, { ...expected, options: changed(expected.options, change) });
    expect(ASPECTS.flatMap((aspect) => stray(aspect, received, expected))).not.toEqual([]);
  });
});
