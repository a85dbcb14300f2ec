/**
 * Softmax and ArcFace as textbooks write them, in double precision: for reading, and to compare with. Away from
 * θ = 0 and θ = π, where these forms lose their digits.
 */
export interface TextbookInputs {
  readonly features: readonly number[][];
  readonly weights: readonly number[][];
  readonly labels: readonly number[];
}

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const norm = (a: readonly number[]) => Math.sqrt(dot(a, a));

export function cosines({ features, weights }: TextbookInputs): number[][] {
  return features.map((x) => weights.map((w) => dot(x, w) / (norm(x) * norm(w))));
}

/** z_y = s·cos(θ_y + m), or s·(−2 − cos(θ_y + m)) past π; z_j = s·cosθ_j. λ blends the target with s·cosθ_y. */
export function arcfaceLogits(inputs: TextbookInputs, s: number, m: number, lambda = 0): number[][] {
  return cosines(inputs).map((row, sample) =>
    row.map((cosine, label) => {
      if (label !== inputs.labels[sample]) return s * cosine;
      const angle = Math.acos(cosine) + m;
      const factor = angle <= Math.PI ? Math.cos(angle) : -2 - Math.cos(angle);
      return (s * (lambda * cosine + factor)) / (1 + lambda);
    }),
  );
}

export function softmaxLogits({ features, weights }: TextbookInputs, bias: readonly number[]): number[][] {
  return features.map((x) => weights.map((w, label) => dot(x, w) + bias[label]!));
}

/** Mean softmax cross-entropy as PyTorch's cross_entropy computes it with weights and smoothing. */
export function crossEntropy(
  logits: readonly number[][],
  labels: readonly number[],
  { classWeights = logits[0]!.map(() => 1), labelSmoothing = 0 } = {},
): number {
  const numClasses = logits[0]!.length;
  let sum = 0;
  for (const [sample, row] of logits.entries()) {
    const largest = Math.max(...row);
    const logSum = largest + Math.log(row.reduce((total, z) => total + Math.exp(z - largest), 0));
    for (const [label, z] of row.entries()) {
      const target = (label === labels[sample] ? 1 - labelSmoothing : 0) + labelSmoothing / numClasses;
      sum += target * classWeights[label]! * (logSum - z);
    }
  }
  return sum / labels.reduce((total, label) => total + classWeights[label]!, 0);
}

/** Gradient by central differences of a function of a matrix. */
export function numericalGradient(
  matrix: readonly number[][],
  loss: (matrix: number[][]) => number,
): number[][] {
  const step = 1e-5;
  const shifted = (row: number, column: number, by: number) =>
    matrix.map((values, i) => values.map((value, j) => (i === row && j === column ? value + by : value)));
  return matrix.map((values, row) =>
    values.map(
      (_, column) => (loss(shifted(row, column, step)) - loss(shifted(row, column, -step))) / (2 * step),
    ),
  );
}
