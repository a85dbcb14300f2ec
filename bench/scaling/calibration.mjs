// The one place where the model meets a measurement: ArcFace, forward and backward, on one card.
import { readFileSync } from 'node:fs';
import { median } from '../shared/statistics.mjs';
import { CARD } from './assumptions.mjs';
import { matmulSeconds, passSeconds } from './head.mjs';

const MEASURED = new URL('../results/h100/seed-cnn.json', import.meta.url);
const CASE = '100000 classes, tf32';

export function calibration() {
  const { date, sources, parts } = JSON.parse(readFileSync(MEASURED, 'utf8'));
  const { rounds } = parts.find(({ name }) => name === 'Head alone').values;
  const measured = median(rounds[CASE].answers.margincore.map(({ seconds }) => seconds));
  const work = { rows: 128, columns: 100_000, card: CARD };
  const predicted = passSeconds(work);
  return {
    predicted,
    ofMatmuls: matmulSeconds(work),
    measured,
    ratio: predicted / measured,
    measuredOn: date.slice(0, 10),
    commit: sources.commit,
  };
}
