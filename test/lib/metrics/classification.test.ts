import { classificationReport } from '../../../lib/metrics/classification.js';
import { refusal } from '../../support/refusal.js';

/** Of three classes; the last is there once and never predicted. */
const probabilities = Float32Array.of(0.5, 0.25, 0.25, 0.25, 0.5, 0.25, 0.75, 0.125, 0.125, 0.5, 0.25, 0.25);
const labels = [0, 1, 1, 2];

test('precision, recall and F1 by hand, with 0 where nothing can be divided by', async () => {
  const report = await classificationReport({ probabilities }, labels, { confusion: true });
  expect(report).toMatchObject({ samples: 4, numClasses: 3, accuracy: 1 / 2 });
  expect(report.perClass).toEqual([
    { precision: 1 / 3, recall: 1, f1: 1 / 2, support: 1 },
    { precision: 1, recall: 1 / 2, f1: 2 / 3, support: 2 },
    { precision: 0, recall: 0, f1: 0, support: 1 },
  ]);
  expect(report.macro.f1).toBeCloseTo(7 / 18, 12);
  expect(report.weighted.f1).toBeCloseTo((1 / 2 + 4 / 3) / 4, 12);
  expect(report.confusion).toEqual(Int32Array.of(1, 0, 0, 1, 1, 0, 1, 0, 0));
  expect(report.nll).toBeCloseTo(-Math.log(0.5 * 0.5 * 0.125 * 0.25) / 4, 12);
});

test('the confusion of 70,000 classes is not made unasked', async () => {
  const scores = new Float32Array(70_000).fill(-1);
  scores[69_999] = 1;
  const report = await classificationReport({ scores }, [69_999]);
  expect(report).toMatchObject({ accuracy: 1, numClasses: 70_000, macro: { f1: 1 } });
  expect(report.confusion).toBeUndefined();
});

test('of equal values the lower class comes first', async () => {
  const scores = new Float32Array(6 * 6);
  const { accuracy, topK } = await classificationReport({ scores }, [0, 1, 2, 3, 4, 5], {
    topK: [1, 2, 5, 9],
  });
  expect(accuracy).toBe(1 / 6);
  expect(topK.map((top) => top.accuracy)).toEqual([1 / 6, 2 / 6, 5 / 6, 1]);
});

test('calibration error by hand: a confidence on a boundary belongs to the bin below it', async () => {
  const { ece, reliability } = await classificationReport({ probabilities }, labels, { bins: 2 });
  expect(reliability).toEqual([
    { from: 0, to: 0.5, samples: 3, confidence: 0.5, accuracy: 2 / 3 },
    { from: 0.5, to: 1, samples: 1, confidence: 0.75, accuracy: 0 },
  ]);
  expect(ece).toBeCloseTo((3 / 4) * (1 / 6) + (1 / 4) * (3 / 4), 12);
});

test('the loss of scores is exact where a probability rounds to 0, and that of probabilities stays finite', async () => {
  expect((await classificationReport({ scores: Float32Array.of(1000, -1000) }, [1])).nll).toBe(2000);
  const { nll } = await classificationReport({ probabilities: Float32Array.of(1, 0) }, [1]);
  expect(nll).toBeCloseTo(149 * Math.log(2), 9);
});

test('many samples are the same in whatever slices', async () => {
  const columns = 4;
  const count = 300_000; // more than one slice
  const scores = Float32Array.from({ length: count * columns }, (_, at) => (at * 7919) % 31);
  const classes = Int32Array.from({ length: count }, (_, sample) => (sample * 13) % columns);
  let right = 0;
  for (let sample = 0; sample < count; sample++) {
    const row = scores.subarray(sample * columns, (sample + 1) * columns);
    if (row.indexOf(Math.max(...row)) === classes[sample]) right += 1;
  }
  const report = await classificationReport({ scores }, classes);
  expect([report.samples, report.accuracy]).toEqual([count, right / count]);
});

test.each([
  [{ scores: Float32Array.of(1, Number.NaN) }, [0], {}, 'INVALID_DATA'],
  [{ scores: Float32Array.of(1, Number.POSITIVE_INFINITY) }, [0], {}, 'INVALID_DATA'],
  [{ probabilities: Float32Array.of(2, 3) }, [0], {}, 'INVALID_DATA'],
  [{ probabilities: Float32Array.of(1.5, -0.5) }, [0], {}, 'INVALID_DATA'],
  [{ scores: Float32Array.of(1, 2) }, [2], {}, 'INVALID_DATA'],
  [{ scores: Float32Array.of(1, 2) }, [0.5], {}, 'INVALID_DATA'],
  [{ scores: Float32Array.of() }, [], {}, 'INVALID_DATA'],
  [{ scores: Float32Array.of(1, 2, 3) }, [0, 1], {}, 'SHAPE_MISMATCH'],
  [{ scores: Float32Array.of(1, 2) }, [0], { topK: [0] }, 'INVALID_OPTION'],
  [{ scores: Float32Array.of(1, 2) }, [0], { bins: 0 }, 'INVALID_OPTION'],
  [{ scores: [1, 2] as never }, [0], {}, 'INVALID_OPTION'],
  [{} as never, [0], {}, 'INVALID_OPTION'],
])('%j with labels %j and %j is refused: %s', async (outputs, classes, options, code) => {
  expect(await refusal(() => classificationReport(outputs, classes, options))).toMatchObject({ code });
});

test('an abort ends it', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(classificationReport({ probabilities }, labels, { signal })).rejects.toThrow('enough');
});
