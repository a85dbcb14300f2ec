import { verificationScores } from '../../../lib/metrics/verificationScores.js';
import { refusal } from '../../support/refusal.js';

const scores = (same: number[], different: number[], far?: number[]) =>
  verificationScores(
    Float32Array.from([...same, ...different]),
    [...same.map(() => true), ...different.map(() => false)],
    far && { far },
  );

test('of pairs that are told apart, and of those that are told the wrong way round', () => {
  expect(scores([0.9, 0.8], [0.1, -0.3, 0.2])).toMatchObject({ eer: 0, auc: 1, same: 2, different: 3 });
  expect(scores([-0.2, 0.1], [0.5, 0.6])).toMatchObject({ eer: 1, auc: 0 });
});

test('where all cosines are equal nothing is told', () => {
  expect(scores([0.5, 0.5, 0.5], [0.5, 0.5])).toMatchObject({ eer: 0.5, auc: 0.5 });
});

test('a curve that can be drawn by hand', () => {
  // Accepted from above: .9 same; .8 different; .7 same; .6 both kinds; .2 different.
  const { eer, auc, tarAtFar } = scores([0.9, 0.7, 0.6, 0.6], [0.8, 0.6, 0.2, 0.2], [0.2, 0.25, 0.3, 0.5, 1]);
  // (far, tar): (0, 1/4) (1/4, 1/4) (1/4, 1/2) (1/2, 1) (1, 1); errors are equal a third of the way to the last but one.
  expect(eer).toBeCloseTo(1 / 4 + 1 / 12, 12);
  expect(auc).toBeCloseTo(1 / 16 + (1 / 4) * (3 / 4) + 1 / 2, 12);
  expect(tarAtFar.map(({ tar }) => tar)).toEqual([undefined, 0.5, 0.5, 1, 1]);
});

test('a rate that fewer pairs cannot show is not measurable, and one that they just can is', () => {
  const different = Array.from({ length: 1000 }, (_, index) => index / 2000);
  const { tarAtFar } = scores([0.4995, 0.9], different);
  expect(tarAtFar).toEqual([
    { far: 0.1, tar: 1 },
    { far: 0.01, tar: 1 },
    // 0.4995 is a pair of different ones as well: both are accepted together.
    { far: 0.001, tar: 1 },
    { far: 1e-4, tar: undefined },
  ]);
});

test('the area is the share of pairs of pairs in the right order, the rate that of the nearest errors', () => {
  let state = 7;
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.fround(Math.round((state / 2 ** 32) * 200) / 200); // with many equal ones
  };
  const same = Array.from({ length: 150 }, () => Math.fround(random() * 0.6 + 0.4));
  const different = Array.from({ length: 400 }, () => Math.fround(random() * 0.8));
  const { auc, eer } = scores(same, different);
  let ordered = 0;
  for (const a of same) for (const b of different) ordered += a > b ? 1 : a === b ? 0.5 : 0;
  expect(auc).toBeCloseTo(ordered / (same.length * different.length), 10);
  const errorsAt = (threshold: number) =>
    [
      different.filter((cosine) => cosine >= threshold).length / different.length,
      same.filter((cosine) => cosine < threshold).length / same.length,
    ] as const;
  const all = [...same, ...different].map(errorsAt);
  const [below, above] = [all.filter(([far, frr]) => far >= frr), all.filter(([far, frr]) => far <= frr)];
  expect(eer).toBeLessThanOrEqual(Math.min(...below.map(([far]) => far)) + 1e-12);
  expect(eer).toBeGreaterThanOrEqual(Math.max(...above.map(([far]) => far)) - 1e-12);
});

test('degenerate input is refused', async () => {
  for (const [same, different] of [
    [[0.5], []],
    [[], [0.5]],
    [[Number.NaN], [0.1]],
    [[1.5], [0.1]],
  ] as const) {
    expect(await refusal(() => scores([...same], [...different]))).toMatchObject({ code: 'INVALID_DATA' });
  }
  expect(await refusal(() => scores([0.5], [0.1], [0]))).toMatchObject({ code: 'INVALID_OPTION' });
});
