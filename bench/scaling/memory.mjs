// Bytes on one GPU while it trains, without the activations of the network.
import { EMBEDDING_SIZE, FLOAT } from './assumptions.mjs';
import { columnsOf, isSampled, ownClasses } from './shard.mjs';

export function memoryOf(setting) {
  const { rows, backbone, optimizer } = setting;
  const columns = columnsOf(setting);
  const matrix = (height, width) => FLOAT * height * width;
  const weights = matrix(ownClasses(setting), EMBEDDING_SIZE);
  const gradients = matrix(columns, EMBEDDING_SIZE);
  const parts = {
    weights,
    moments: optimizer.moments * weights,
    gradients,
    logits: matrix(rows, columns), // their gradient is written over them
    // Copies of the drawn classes' weights and moments, all rows' embeddings, these normalised, and their gradients.
    copies: (isSampled(setting) ? (1 + optimizer.moments) * gradients : 0) + 3 * matrix(rows, EMBEDDING_SIZE),
    backbone: FLOAT * backbone.parameters * (2 + optimizer.moments),
  };
  return { ...parts, total: Object.values(parts).reduce((sum, bytes) => sum + bytes) };
}

export const fits = (setting) => memoryOf(setting).total <= setting.card.memoryBytes;
