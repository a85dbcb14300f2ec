/**
 * The heads as their papers write them, in double precision: for reading, and to compare with. Away from θ = 0 and
 * θ = π, where these forms lose their digits.
 */
export type Matrix = readonly (readonly number[])[];

export interface TextbookInputs {
  readonly features: Matrix;
  readonly weights: Matrix;
  readonly labels: readonly number[];
}

/** z_j = ‖x‖‖w_j‖cosθ_j + b_j, with what is said here. */
export interface TextbookHead {
  /** Takes the place of ‖x‖. */
  readonly s?: number;
  /** Takes the place of ‖x‖ as α·‖x‖/‖X‖, X being all features of the batch. */
  readonly alphaOfBatch?: number;
  /** 1 takes the place of ‖w_j‖. */
  readonly unitWeights?: boolean;
  readonly bias?: readonly number[];
  /** Takes the place of cosθ_y. */
  readonly margin?: (theta: number) => number;
  /** λ: the target's logit is (λ·plain + with margin)/(1 + λ). */
  readonly lambda?: number;
  readonly scaledBn?: { readonly m: number; readonly epsilon: number };
}

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const norm = (a: readonly number[]) => Math.sqrt(dot(a, a));
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

export const unitRows = (rows: Matrix): number[][] =>
  rows.map((row) => row.map((value) => value / norm(row)));

export function cosines({ features, weights }: TextbookInputs): number[][] {
  return features.map((x) => weights.map((w) => dot(x, w) / (norm(x) * norm(w))));
}

/** (−1)^k cos u − 2k for u in [kπ, (k+1)π] (Liu et al. 2016, eq. 6) */
export function psi(u: number): number {
  const k = Math.floor(u / Math.PI);
  return (-1) ** k * Math.cos(u) - 2 * k;
}

/** Logits with margin. */
export function logits(inputs: TextbookInputs, head: TextbookHead): number[][] {
  const { scaledBn, ...linear } = head;
  const { s, alphaOfBatch, unitWeights, bias, margin = Math.cos, lambda = 0 } = linear;
  const { features, weights, labels } = inputs;
  const batchNorm = norm(features.map(norm));
  const lengths = features.map((x) => s ?? (alphaOfBatch ? (alphaOfBatch * norm(x)) / batchNorm : norm(x)));
  const rows = cosines(inputs).map((row, sample) =>
    row.map((cosine, label) => {
      const length = lengths[sample]! * (unitWeights ? 1 : norm(weights[label]!));
      const isTarget = label === labels[sample];
      const factor = isTarget ? (lambda * cosine + margin(Math.acos(cosine))) / (1 + lambda) : cosine;
      return length * factor + (bias?.[label] ?? 0);
    }),
  );
  return scaledBn ? normalized(rows, scores(inputs, linear), scaledBn) : rows;
}

/** Logits without margin. */
export function scores(inputs: TextbookInputs, { margin: _, ...head }: TextbookHead): number[][] {
  return logits(inputs, head);
}

/** m·(z_j − E[z_j])/√(Var[z_j] + ε) (Zhu et al. 2020, eq. 9), with the statistics of `plain`, over the batch. */
function normalized(rows: Matrix, plain: Matrix, { m, epsilon }: { m: number; epsilon: number }): number[][] {
  return rows.map((row) =>
    row.map((z, label) => {
      const column = plain.map((values) => values[label]!);
      const centre = mean(column);
      return (m * (z - centre)) / Math.sqrt(mean(column.map((value) => (value - centre) ** 2)) + epsilon);
    }),
  );
}

/** mean‖x − c_y‖² */
export function meanSquaredDistance(features: Matrix, centers: Matrix, labels: readonly number[]): number {
  return mean(features.map((x, i) => norm(x.map((value, k) => value - centers[labels[i]!]![k]!)) ** 2));
}

/** Σ(c_j − x)/(1 + n_j) over the samples of class j (Wen et al. 2016, eq. 4) */
export function centerSteps(features: Matrix, centers: Matrix, labels: readonly number[]): number[][] {
  return centers.map((center, label) => {
    const own = features.filter((_, i) => labels[i] === label);
    return center.map((value, k) => own.reduce((sum, x) => sum + value - x[k]!, 0) / (1 + own.length));
  });
}

/** Mean softmax cross-entropy as PyTorch's cross_entropy computes it with weights and smoothing. */
export function crossEntropy(
  logits: Matrix,
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
export function numericalGradient(matrix: Matrix, loss: (matrix: number[][]) => number): number[][] {
  const step = 1e-5;
  const shifted = (row: number, column: number, by: number) =>
    matrix.map((values, i) => values.map((value, j) => (i === row && j === column ? value + by : value)));
  return matrix.map((values, row) =>
    values.map(
      (_, column) => (loss(shifted(row, column, step)) - loss(shifted(row, column, -step))) / (2 * step),
    ),
  );
}
