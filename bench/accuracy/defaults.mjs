// What a user gets who names a head and an optimizer, and nothing else: no option of either, no rate, no network.
import { HEAD_NAMES } from '../../dist/lib/heads/resolve.js';

export const OPTIMIZERS = ['adam', 'sgd'];

/** Points that a head may fall behind softmax with the same optimizer, and softmax behind itself with the first of them. */
export const MOST_BEHIND = 2;

export const HEADING = [
  '| head | optimizer | test accuracy %, by seed | mean | behind softmax | within |',
  '|---|---|---|---|---|---|',
];

/**
 * Rows of `heads` with each optimizer, softmax's before those that are compared with it. `trainOnce(options, seed)` gives
 * a test accuracy in %, `onRow` is handed each row as it is ready.
 */
export async function measureDefaults(heads, seeds, trainOnce, onRow) {
  const names = ['softmax', ...HEAD_NAMES.filter((name) => name !== 'softmax' && heads.includes(name))];
  const rows = [];
  const softmaxOf = (optimizer) =>
    rows.find((row) => row.head === 'softmax' && row.optimizer === optimizer)?.mean;
  for (const optimizer of OPTIMIZERS) {
    for (const head of names) {
      const runs = [];
      for (const seed of seeds) runs.push({ seed, accuracy: await trainOnce({ head, optimizer }, seed) });
      const mean = runs.reduce((sum, { accuracy }) => sum + accuracy, 0) / runs.length;
      const softmax = softmaxOf(head === 'softmax' ? OPTIMIZERS[0] : optimizer) ?? mean;
      const behind = softmax - mean;
      rows.push({ head, optimizer, runs, mean, behind, within: behind <= MOST_BEHIND });
      onRow(rows.at(-1));
    }
  }
  return rows;
}

export function line({ head, optimizer, runs, mean, behind, within }) {
  const cells = [
    head,
    optimizer,
    runs.map(({ accuracy }) => accuracy.toFixed(1)).join(' / '),
    mean.toFixed(2),
    behind.toFixed(2),
    within ? 'yes' : 'NO',
  ];
  return `| ${cells.join(' | ')} |`;
}
