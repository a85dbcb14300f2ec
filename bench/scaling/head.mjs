// The head of one rank: all rows of the batch against the rank's own classes. Seconds of computing.
import { EMBEDDING_PASSES, EMBEDDING_SIZE, FLOAT, LOGIT_PASSES, WEIGHT_PASSES } from './assumptions.mjs';

/** Logits, dW and dx are a matmul each. */
export const matmulSeconds = ({ rows, columns, card }) =>
  (3 * 2 * rows * columns * EMBEDDING_SIZE) / card.matmulFlopsPerSecond;

/** Forward and backward; memory and arithmetic are not overlapped. */
export function passSeconds({ rows, columns, card }) {
  const numbers =
    LOGIT_PASSES * rows * columns +
    WEIGHT_PASSES * columns * EMBEDDING_SIZE +
    EMBEDDING_PASSES * rows * EMBEDDING_SIZE;
  return matmulSeconds({ rows, columns, card }) + moved(numbers, card);
}

export const updateSeconds = ({ columns, card, optimizer }) =>
  moved(optimizer.updatePasses * columns * EMBEDDING_SIZE, card);

/** The drawn classes' weights and moments are copied together, and back after the update: each copy reads and writes. */
export const copySeconds = ({ columns, card, optimizer }) =>
  moved(2 * 2 * (1 + optimizer.moments) * columns * EMBEDDING_SIZE, card);

const moved = (numbers, card) => (FLOAT * numbers) / card.memoryBytesPerSecond;
