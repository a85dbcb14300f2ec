// What each head is trained under.
export const HEADS = [
  'softmax',
  'l2-softmax',
  'normface',
  'l-softmax',
  'a-softmax',
  'am-softmax',
  'arcface',
  'combined',
  'pedcc',
  'center',
  'scaled-bn',
];

/** By default, where nothing but the optimizer and the head is given. */
const SCALES = { 'l2-softmax': 16, normface: 16, 'am-softmax': 30, arcface: 30, combined: 30, pedcc: 7.5 };
const rateOf = (head, optimizer) => (optimizer === 'adam' ? 1e-3 : Math.min(0.03, 0.1 / (SCALES[head] ?? 1)));

/** What makes the logits too small to tell classes apart, where the head has such an option. */
const SMALL_SCALE = {
  'l2-softmax': { alpha: 0.1 },
  normface: { s: 0.5 },
  'am-softmax': { s: 0.5 },
  arcface: { s: 0.5 },
  combined: { s: 0.5 },
  pedcc: { s: 0.5, weight: 0 },
  'scaled-bn': { m: 0.05 },
};

/** The largest margin that the head allows, in force at once. */
const IMPOSSIBLE_MARGIN = {
  'l-softmax': { m: 16, lambda: 0 },
  'a-softmax': { m: 16, lambda: 0 },
  'am-softmax': { m: 2 },
  arcface: { m: Math.PI / 2 },
  combined: { m1: 16, m2: 0 },
  pedcc: { m: 2 },
};

/** Conditions of a head on one of the sets. */
export function conditionsOf(head, { numClasses }) {
  const rate = (factor, optimizer = 'adam') => ({
    optimizer,
    learningRate: factor * rateOf(head, optimizer),
  });
  // More than the network's embedding has room for.
  const always = head === 'pedcc' && numClasses === 500 ? ['crowded-centroids'] : [];
  const one = Array.from({ length: numClasses }, (_, i) => (i === 0 ? 1 : 0));
  const everywhere = [
    ['defaults', {}, []],
    ['sgd', { optimizer: 'sgd' }, []],
    ['rate × 1000', rate(1000), ['learning-rate-too-high']],
    ['scale too small', SMALL_SCALE[head], ['scale-too-small']],
  ];
  const withTen = [
    ['rate × 30', rate(30), ['learning-rate-too-high']],
    ['rate ÷ 30', rate(1 / 30), ['learning-rate-too-low']],
    ['rate ÷ 1000', rate(1 / 1000), ['learning-rate-too-low']],
    ['sgd, rate × 30', rate(30, 'sgd'), ['learning-rate-too-high']],
    ['sgd, rate ÷ 30', rate(1 / 30, 'sgd'), ['learning-rate-too-low']],
    ['sgd, rate ÷ 1000', rate(1 / 1000, 'sgd'), ['learning-rate-too-low']],
    ['margin impossible', IMPOSSIBLE_MARGIN[head], ['margin-too-large']],
    ['dropout 0.95', { featureDropout: 0.95 }, ['dropout-too-high']],
    ['one class weighted', { classWeights: one }, ['one-class-weighted']],
    [
      "wrap 'none', rate × 30",
      head === 'arcface' ? { wrap: 'none', ...rate(30) } : undefined,
      ['learning-rate-too-high', 'margin-too-large'],
    ],
  ];
  return [...everywhere, ...(numClasses === 10 ? withTen : [])]
    .filter(([, options]) => options !== undefined)
    .map(([condition, options, causes]) => ({
      condition,
      causes: [...causes, ...always],
      options: { head, ...options },
    }));
}
