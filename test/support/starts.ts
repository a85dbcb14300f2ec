/** The parameters that a network starts with. */
import { checkHead, resolveHead } from '../../lib/heads/resolve.js';
import { native } from '../../lib/native/load.js';
import type { ModelDescription } from '../../lib/networks/index.js';

const unused = { momentum: 0, nesterov: false, beta1: 0, beta2: 0, epsilon: 0, weightDecay: 0, headLr: 1 };

/** Calls `see` with each tensor of the network in turn; none is kept. */
export async function eachStart(
  { layers, init }: Pick<ModelDescription, 'layers' | 'init'>,
  input: [number, number, number],
  seed: number,
  see: (name: string, values: Float32Array) => void,
): Promise<void> {
  const session = new (native().Session)({
    ...{ backend: 'cpu', deviceIndex: 0, threads: 2, deterministic: true, precision: 'fp32', seed },
    network: { input, layers: [...layers], ...(init !== undefined && { init }) },
    head: resolveHead(checkHead({ head: 'softmax' }), 2).native,
    ...{ mean: new Float32Array(input[2]), std: new Float32Array(input[2]).fill(1), batchSize: 0 },
    optimizer: { type: 'sgd', ...unused },
  });
  try {
    await session.open();
    for (const { name } of session.parameters()) {
      if (!name.startsWith('head.')) see(name, await session.readParameter(name));
    }
  } finally {
    session.dispose();
  }
}

interface Moments {
  mean: number;
  std: number;
  /** Fourth moment over the square of the second: 3 of a normal distribution, 1.8 of a uniform one. */
  kurtosis: number;
}

/** More would tell no more. */
const MOST = 200_000;

function momentsOf(all: Float32Array): Moments {
  const values = all.subarray(0, MOST);
  let [sum, squares, fourths] = [0, 0, 0];
  for (const value of values) {
    sum += value;
    squares += value ** 2;
    fourths += value ** 4;
  }
  const [mean, square, fourth] = [sum, squares, fourths].map((total) => total / values.length);
  return { mean: mean!, std: Math.sqrt(square!), kurtosis: fourth! / square! ** 2 };
}

/** ['normal', standard deviation], ['uniform', half the width] or ['constant', value] */
export type Distribution = readonly [kind: 'normal' | 'uniform' | 'constant', value: number];

/** Expects values to be drawn from it: within six standard errors of their number. */
export function expectDrawnFrom(name: string, values: Float32Array, [kind, value]: Distribution): void {
  if (kind === 'constant') {
    const other = values.find((each) => each !== Math.fround(value));
    expect([name, other]).toEqual([name, undefined]);
    return;
  }
  const expected =
    kind === 'normal' ? { std: value, kurtosis: 3 } : { std: value / Math.sqrt(3), kurtosis: 1.8 };
  const { mean, std, kurtosis } = momentsOf(values);
  const errors = 6 / Math.sqrt(Math.min(values.length, MOST));
  const within = {
    mean: Math.abs(mean) <= errors * expected.std,
    std: Math.abs(std / expected.std - 1) <= errors * Math.sqrt((expected.kurtosis - 1) / 4),
    // Between the two kinds where the tensor is large enough to tell, and one of the two where it is not.
    kurtosis: Math.abs(kurtosis - expected.kurtosis) <= Math.max(0.6, errors * Math.sqrt(24)),
  };
  expect([name, { mean, std, kurtosis }, within]).toEqual([
    name,
    expect.anything(),
    { mean: true, std: true, kurtosis: true },
  ]);
}
