/** Why training goes wrong: each cause with the evidence for it, what is said of it, and what to try. */
import { hasMargin, NO_MARGIN, targetFactor } from '../heads/margin.js';
import { scaleBound } from '../heads/scale.js';
import type { Diagnosis } from './diagnosis.js';
import {
  accuracyOf,
  chance,
  type Epoch,
  isUnsure,
  path,
  type RunFacts,
  reachable,
  stepsOf,
  stride,
  weightGrowth,
} from './facts.js';
import type { Symptom } from './symptoms.js';

/** A run in which something is seen to go wrong. */
export interface Case {
  readonly symptom: Symptom;
  /** The epochs so far. */
  readonly history: readonly Epoch[];
  readonly last: Epoch;
  readonly facts: RunFacts;
}

export interface Cause {
  readonly name: Diagnosis['name'];
  /** Says nothing of a few steps. */
  readonly needsTime?: true;
  fits(found: Case): boolean;
  /** The cause and what to try, after what was seen. */
  describe(found: Case): string;
}

/** Share of the loss's weight that one class has, where there are weights. */
function heaviestShare({ head, classShares }: RunFacts): number {
  const weights = head.native.classWeights;
  if (weights === undefined) return 0;
  const weighted = classShares.map((share, index) => share * weights[index]!);
  return Math.max(...weighted) / weighted.reduce((sum, value) => sum + value, 0);
}

const oneClassWeighted: Cause = {
  name: 'one-class-weighted',
  fits: ({ facts }) => heaviestShare(facts) > 0.99,
  describe: () =>
    'classWeights leave all of the loss to one class, which is learned by always answering it. Give every class a weight above 0',
};

const dropoutTooHigh: Cause = {
  name: 'dropout-too-high',
  fits: ({ facts: { head } }) => head.native.featureDropout >= 0.9,
  describe: ({ facts: { head, embeddingSize } }) => {
    const { featureDropout } = head.native;
    const left = Math.max(1, Math.round((1 - featureDropout) * embeddingSize));
    return `featureDropout ${featureDropout} leaves some ${left} of ${embeddingSize} features to each image. Try 0.5 or less`;
  },
};

const frozenAlike: Cause = {
  name: 'collapsed',
  fits: ({ symptom, facts }) => symptom === 'collapsed' && isFrozen(facts),
  describe: () => `no layer is trained that could part them. ${THAW}`,
};

const isFrozen = ({ networkRate }: RunFacts) => networkRate === 0;

const THAW = 'Are the weights those of a network that was trained? Otherwise freeze fewer layers';

/** Paths known to be too short. Gradients of SGD point to and fro, so its path is a bound that is not reached. */
const SHORT_PATH = { adam: 0.08, adamw: 0.08, sgd: 1.5 };

const rateTooLow: Cause = {
  name: 'learning-rate-too-low',
  needsTime: true,
  fits: ({ history, facts }) => {
    const whole = (path(history, facts) / stepsOf(history)) * facts.steps;
    return whole < SHORT_PATH[facts.optimizer.type];
  },
  describe: ({ history }) =>
    history.every(({ meanLearningRate }) => meanLearningRate === 0)
      ? 'the learning rate is 0, so no step changes anything. Try one above 0'
      : `the learning rate is too low (${meanRate(history)} on average), or there are too few steps: together they hardly ` +
        'move the weights. Try a learningRate ten times as high, or more epochs',
};

/** Steps that made class weights this many times as long as they were outweigh what was there. */
const GROWN = 2.8;
/** Steps about as long as the weights. */
const WIDE_STRIDE = 0.5;
/** Steps that leave nothing of them. */
const REWRITING_STRIDE = 1.5;

/** On average of the first epoch, a loss above that of guessing: where it has no scale in it, and no margin that shows. */
function startedWorse({ loss, lambda }: Epoch, { head: { native } }: RunFacts): boolean {
  const plain = !native.normalizeFeatures && native.centerWeight === 0;
  return plain && (!hasMargin(native) || lambda >= 10) && loss > Math.log(native.numClasses);
}

const rateTooHigh: Cause = {
  name: 'learning-rate-too-high',
  fits: ({ symptom, history, last, facts }) => {
    if (symptom === 'inverted') return targetFactor(facts.head.native, 0) > 0.5;
    const grown = weightGrowth(last, facts) > GROWN;
    const widest = Math.max(...history.map((epoch) => stride(epoch, facts)));
    if (symptom !== 'weak') return grown || widest > WIDE_STRIDE;
    if (startedWorse(history[0]!, facts)) return true;
    // Neither fixed weights nor normalised logits have a length that could have suffered.
    const { fixedWeights, scaledBn } = facts.head.native;
    const free = !fixedWeights && scaledBn === undefined;
    return free && (widest > REWRITING_STRIDE || (grown && widest > WIDE_STRIDE));
  },
  describe: ({ symptom, history, facts }) =>
    (symptom === 'inverted'
      ? 'the first steps threw them there, where the margin holds them: '
      : 'steps are as long as the weights themselves: ') +
    `the learning rate is too high (${rate(history[0]!)} in the first epoch${factor(facts)}). Try a tenth of it or less` +
    (symptom === 'inverted' && facts.head.native.wrap === 'none'
      ? `, and not wrap 'none', which rewards that`
      : ''),
};

const scaleTooSmall: Cause = {
  name: 'scale-too-small',
  fits: ({ symptom, last, facts }) => symptom === 'unsure' || isUnsure(last, facts),
  describe: ({ last, facts }) => {
    const { scale, scaledBn, numClasses } = facts.head.native;
    const best = (100 * reachable(last, facts)).toPrecision(2);
    return (
      `the scale ${scaledBn?.scale ?? scale} is too small for ${numClasses} classes: even a perfect embedding gets a ` +
      `probability of ${best} %. ` +
      (scaledBn ? 'Try m: 1' : `Try ${scaleBound(NO_MARGIN, numClasses).toFixed(1)} or more`)
    );
  },
};

const crowdedCentroids: Cause = {
  name: 'crowded-centroids',
  fits: ({ facts: { head, embeddingSize } }) =>
    head.native.fixedWeights && head.native.numClasses > embeddingSize + 1,
  describe: ({ facts: { head, embeddingSize } }) =>
    `the ${head.native.numClasses} fixed class centroids of pedcc cannot stand evenly apart in ${embeddingSize} dimensions. ` +
    `Try an embeddingSize of ${head.native.numClasses - 1} or more, or a head whose class weights are learned`,
};

/** λ with which most of a margin stays hidden. */
const HIDING = 5;
/** Share of the images past 180°, where little is learned; and one where a multiplied angle leaves nothing else. */
const MANY_PAST = 0.3;
const MOST_PAST = 0.75;

const marginTooLarge: Cause = {
  name: 'margin-too-large',
  fits: ({ symptom, last: { margin, lambda, pastPi } }) => {
    if (margin === undefined || lambda >= HIDING) return false;
    if (symptom === 'weak') return margin.m1 > 1 && pastPi > MOST_PAST;
    return symptom === 'inverted' || pastPi > MANY_PAST;
  },
  describe: ({ last }) =>
    `the margin is too large: with it ${Math.round(100 * last.pastPi)} % of the images are past 180° from their class, where it ` +
    'pulls hardest. Try a smaller margin, marginWarmup, or λ that stays larger',
};

/** Of what there is to learn: who had that much and has nothing left was thrown back. */
const LOST = 0.2;

const rateTooHighLater: Cause = {
  name: 'learning-rate-too-high',
  fits: ({ symptom, history, facts }) =>
    (symptom === 'collapsed' || symptom === 'guessing') &&
    Math.max(...history.map(accuracyOf)) > chance(facts) + LOST * (1 - chance(facts)),
  describe: ({ history, last }) => {
    const best = (100 * Math.max(...history.map(accuracyOf))).toFixed(1);
    return (
      `it had been ${best} %, and what was learned is lost: the learning rate is too high ` +
      `(${rate(last)} in this epoch). Try a tenth of it or less`
    );
  },
};

/** Of the largest rate, where it is not the run's own. */
function factor({ head: { headLr }, networkRate }: RunFacts): string {
  if (headLr > networkRate) return headLr === 1 ? '' : `, of the head times headLr ${headLr}`;
  return networkRate === 1 ? '' : `, of a layer times layerLr ${Number(networkRate.toPrecision(6))}`;
}

const orSmallerMargin = ({ facts: { head } }: Case) =>
  hasMargin(head.native) ? ', or a smaller margin' : '';

const rate = ({ meanLearningRate }: Epoch) => meanLearningRate.toPrecision(2);

function meanRate(history: readonly Epoch[]): string {
  const sum = history.reduce((total, { meanLearningRate, steps }) => total + meanLearningRate * steps, 0);
  return (sum / stepsOf(history)).toPrecision(2);
}

/** In the order in which they are looked for: what is certain from the options first. */
export const CAUSES: readonly Cause[] = [
  oneClassWeighted,
  dropoutTooHigh,
  frozenAlike,
  rateTooLow,
  rateTooHigh,
  scaleTooSmall,
  crowdedCentroids,
  marginTooLarge,
  rateTooHighLater,
];

/** Where none of them fits. */
export const UNKNOWN: Readonly<Record<'collapsed' | 'guessing', Cause>> = {
  collapsed: {
    name: 'collapsed',
    fits: () => true,
    describe: (found) =>
      'the network answers the same to every image. Are the images all alike? Otherwise try a lower learningRate' +
      orSmallerMargin(found),
  },
  guessing: {
    name: 'guessing',
    fits: () => true,
    describe: (found) =>
      `Do the labels belong to these images? ${isFrozen(found.facts) ? THAW : `Otherwise try another learningRate${orSmallerMargin(found)}`}`,
  },
};
