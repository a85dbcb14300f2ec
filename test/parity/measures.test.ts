/**
 * Measures against scikit-learn's, torchmetrics' and pytorch-metric-learning's: measures.json, by measures.py, which says of what.
 * Where a library's convention is another, a test says so.
 */
import {
  calibrateThreshold,
  classificationReport,
  type Embeddings,
  embeddingReport,
  rocCurve,
  verificationAccuracy,
  verificationScores,
} from '../../lib/index.js';
import { BACKENDS, reportMissing, whyMissing } from '../support/backends.js';
import { readJson } from './reference.js';

interface Averages {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

interface Classification {
  readonly classes: number;
  readonly areProbabilities: boolean;
  readonly values: readonly number[];
  readonly labels: readonly number[];
  readonly accuracy: number;
  readonly precision: readonly number[];
  readonly recall: readonly number[];
  readonly f1: readonly number[];
  readonly support: readonly number[];
  readonly macro: Averages;
  readonly weighted: Averages;
  readonly topK: readonly number[];
  readonly confusion: readonly number[];
  readonly nll: number;
  readonly ece: readonly number[];
  readonly torchmetricsEce: readonly number[];
}

interface Verification {
  readonly steps: readonly number[];
  readonly same: readonly number[];
  readonly far: readonly number[];
  readonly tar: readonly number[];
  /** But the first, which is infinite */
  readonly thresholds: readonly number[];
  readonly auc: number;
  readonly eer: number;
  readonly tarAtFar: readonly (number | null)[];
  readonly folds?: readonly number[];
  readonly foldAccuracies?: readonly number[];
  readonly facenet?: { readonly mean: number; readonly std: number };
}

interface EmbeddingCase {
  readonly size: number;
  readonly rows: readonly number[];
  readonly labels: readonly number[];
  readonly gallery?: readonly number[];
  readonly galleryLabels?: readonly number[];
  readonly accuracyCalculator?: Readonly<
    Record<'precision_at_1' | 'r_precision' | 'mean_average_precision_at_r', number | null>
  >;
  readonly knn?: readonly number[];
  readonly sklearnKnn?: readonly number[];
  readonly nearestCentroid?: number;
  readonly sklearnNearestCentroid?: number;
  readonly ownCentreMean?: number;
  readonly nearestOtherMean?: number;
  readonly nearestOtherCentreMean?: number;
  readonly samplesWithCentre?: number;
}

interface Measures {
  readonly score: number;
  readonly probability: number;
  readonly bins: readonly number[];
  readonly ranks: readonly number[];
  readonly neighbours: readonly number[];
  readonly rates: readonly number[];
  readonly classification: Readonly<Record<string, Classification>>;
  readonly verification: Readonly<Record<string, Verification>>;
  readonly embeddings: Readonly<Record<string, EmbeddingCase>>;
}

const measures: Measures = readJson('measures.json');
const { bins, ranks, neighbours, rates } = measures;

/** The file has nine digits; −ln p grows with scores. */
function expectNear(found: number, expected: number, limit = 2e-8): void {
  expect(Math.abs(found - expected)).toBeLessThan(limit * Math.max(1, Math.abs(expected)));
}

function expectAllNear(found: ArrayLike<number>, expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  for (const [index, value] of expected.entries()) expectNear(found[index]!, value);
}

function expectAverages(found: Averages, expected: Averages): void {
  for (const name of ['precision', 'recall', 'f1'] as const) expectNear(found[name], expected[name]);
}

describe('classificationReport', () => {
  const reportOf = ({ values, labels, areProbabilities }: Classification, binCount = bins[0]!) => {
    const unit = areProbabilities ? measures.probability : measures.score;
    const numbers = Float32Array.from(values, (value) => value * unit);
    return classificationReport(areProbabilities ? { probabilities: numbers } : { scores: numbers }, labels, {
      ...{ topK: ranks, bins: binCount, confusion: true },
    });
  };

  test.each(Object.entries(measures.classification))('%s', async (name, expected) => {
    const report = await reportOf(expected);
    expectNear(report.accuracy, expected.accuracy);
    for (const measure of ['precision', 'recall', 'f1', 'support'] as const) {
      expectAllNear(
        report.perClass.map((scores) => scores[measure]),
        expected[measure],
      );
    }
    expectAverages(report.macro, expected.macro);
    expectAverages(report.weighted, expected.weighted);
    // Of equal values scikit-learn takes the higher class first and here the lower one is: the file has its measure of mirrored classes.
    expectAllNear(
      report.topK.map(({ accuracy }) => accuracy),
      expected.topK,
    );
    expect(Array.from(report.confusion!)).toEqual(expected.confusion);
    if (name !== 'a probability that rounds to 0') expectNear(report.nll, expected.nll);
    for (const [index, count] of bins.entries()) {
      const { ece } = await reportOf(expected, count);
      expectNear(ece, expected.ece[index]!);
      // torchmetrics computes in fp32.
      if (!name.includes('on the bounds')) expectNear(ece, expected.torchmetricsEce[index]!, 1e-6);
    }
  });

  test('torchmetrics counts a confidence on a bound to the bin above it, and here it is that below, as Guo et al. have it', () => {
    const { ece, torchmetricsEce } = measures.classification['probabilities on the bounds of bins']!;
    expect(Math.abs(ece[1]! - torchmetricsEce[1]!)).toBeGreaterThan(0.01);
  });

  test('scikit-learn takes no probability for less than 2⁻⁵², and here scores tell what it is', async () => {
    const expected = measures.classification['a probability that rounds to 0']!;
    expectNear(expected.nll, (52 * Math.log(2)) / 2);
    expectNear((await reportOf(expected)).nll, 500);
  });
});

describe('verification', () => {
  const pairsOf = ({ steps, same }: Verification) => ({
    cosines: Float32Array.from(steps, (step) => 1 - (2 * step + 1) / 400),
    isSame: same.map(Boolean),
  });

  test.each(Object.entries(measures.verification))('%s', (_, expected) => {
    const { cosines, isSame } = pairsOf(expected);
    const curve = rocCurve(cosines, isSame);
    expectAllNear(curve.far, expected.far);
    expectAllNear(curve.tar, expected.tar);
    expect(curve.thresholds[0]).toBe(Number.POSITIVE_INFINITY);
    expectAllNear(curve.thresholds.subarray(1), expected.thresholds);
    const scores = verificationScores(cosines, isSame, { far: rates });
    expectNear(scores.auc, expected.auc);
    expectNear(scores.eer, expected.eer);
    for (const [index, tar] of expected.tarAtFar.entries()) {
      // scikit-learn knows no rate that so few pairs cannot show.
      if (tar === null) expect(scores.tarAtFar[index]!.tar).toBeUndefined();
      else expectNear(scores.tarAtFar[index]!.tar!, tar);
      if (tar !== null) expectNear(calibrateThreshold(cosines, isSame, { far: rates[index]! }).tar, tar);
    }
  });

  const { folds, foldAccuracies, facenet, ...random } = measures.verification.random!;

  test('accuracy over given folds is that of every threshold tried', () => {
    const { cosines, isSame } = pairsOf(random);
    const { accuracy, std, folds: found } = verificationAccuracy(cosines, isSame, { folds: folds! });
    expectAllNear(
      found.map((fold) => fold.accuracy),
      foldAccuracies!,
    );
    // The cosines lie between the thresholds of facenet's grid, so that these miss none that is better.
    expectNear(accuracy, facenet!.mean);
    // Its standard deviation divides by n, and here it is by n − 1.
    expectNear(std * Math.sqrt(9 / 10), facenet!.std);
  });
});

describe.each(BACKENDS)('embeddingReport on %s', (device) => {
  const why = whyMissing(device);
  if (why !== '') {
    reportMissing(device, why);
    return;
  }

  const embeddingsOf = (rows: readonly number[], size: number): Embeddings => ({
    data: Float32Array.from(rows),
    shape: [rows.length / size, size],
  });

  function reportOf({ rows, labels, size, gallery, galleryLabels }: EmbeddingCase) {
    return embeddingReport(embeddingsOf(rows, size), labels, {
      ...(gallery && { gallery: { embeddings: embeddingsOf(gallery, size), labels: galleryLabels! } }),
      ...{ k: neighbours, device },
    });
  }

  test.each(Object.entries(measures.embeddings))('%s', async (_, expected) => {
    const report = await reportOf(expected);
    const { accuracyCalculator: theirs } = expected;
    if (theirs !== undefined) {
      for (const [ours, name] of [
        ['rank1', 'precision_at_1'],
        ['rPrecision', 'r_precision'],
        ['mapAtR', 'mean_average_precision_at_r'],
      ] as const) {
        // NaN there, where no sample has another of its class.
        if (theirs[name] === null) expect(report[ours]).toBeUndefined();
        else expectNear(report[ours]!, theirs[name]);
      }
    }
    if (expected.knn !== undefined) {
      expectAllNear(
        report.knn.map(({ accuracy }) => accuracy),
        expected.knn,
      );
    }
    if (expected.nearestCentroid === undefined) return;
    expectNear(report.nearestCentroid, expected.nearestCentroid);
    const { own, nearestOther, ownCentreMean, nearestOtherCentreMean } = report.angles!;
    expect(own.filter((angle) => !Number.isNaN(angle))).toHaveLength(expected.samplesWithCentre!);
    const mean = nearestOther.reduce((sum, angle) => sum + angle, 0) / nearestOther.length;
    for (const [found, angle] of [
      [ownCentreMean, expected.ownCentreMean!],
      [mean, expected.nearestOtherMean!],
      [nearestOtherCentreMean, expected.nearestOtherCentreMean!],
    ] as const) {
      expect(Math.abs(found - angle)).toBeLessThan(1e-4);
    }
  });

  test('samples without another of their class, which AccuracyCalculator leaves out silently, are counted', async () => {
    expect(await reportOf(measures.embeddings.random!)).toMatchObject({ lone: 1 });
    expect(await reportOf(measures.embeddings['a gallery']!)).toMatchObject({ lone: 6 });
  });

  test('of classes with as many votes scikit-learn takes the lowest, and here it is that of the nearest', () => {
    const { knn, sklearnKnn } = measures.embeddings.random!;
    expect(sklearnKnn![0]).toBe(knn![0]);
    expect(sklearnKnn).not.toEqual(knn);
  });

  test("scikit-learn's NearestCentroid compares with means, and here it is with their directions", () => {
    const { nearestCentroid, sklearnNearestCentroid } = measures.embeddings.random!;
    expect(sklearnNearestCentroid).not.toBe(nearestCentroid);
  });
});
