/** Which run a checkpoint belongs to: what has to be the same for the next step to be the one that would have come. */
import { isDeepStrictEqual } from 'node:util';
import { MarginCoreError } from '../base/errors.js';
import { type Fingerprint, fingerprint } from '../data/fingerprint.js';
import type { Schedule } from '../schedules/learningRate.js';
import { stepsPerEpoch } from './batching.js';
import type { TrainJob } from './job.js';
import { type StepRules, stepValues } from './stepValues.js';

/** Plain data, as JSON has it. */
export interface Identity {
  readonly data: Fingerprint;
  readonly classNames: readonly string[];
  /** Without its name */
  readonly model: unknown;
  /** Options by name, as they are in force, but for the rules. */
  readonly options: Readonly<Record<string, unknown>>;
  /** What gives each step its values: other rules are the same run where the steps so far had the same values. */
  readonly rules: StepRules;
}

/** Options of the head that are rules over the run. */
const RULES_OF_HEAD = ['lambda', 'marginWarmup'];

export async function identityOf(job: TrainJob): Promise<Identity> {
  const { settings, classNames, train, normalization, head, precision } = job;
  const { batchSize, optimizer, seed, model, signal } = settings;
  const { layers, init } = model;
  const own = Object.entries(head.effective).filter(([name]) => !RULES_OF_HEAD.includes(name));
  const { mean, std } = normalization;
  const options = {
    ...Object.fromEntries(own),
    batchSize,
    optimizer,
    seed,
    precision,
    normalize: { mean: [...mean], std: [...std] },
  };
  const data = await fingerprint(train, signal);
  return plain({ data, classNames, model: { layers, init }, options, rules: rulesOf(job) });
}

function rulesOf({
  settings: { learningRate, epochs },
  head: { lambda, marginWarmup },
}: TrainJob): StepRules {
  return { learningRate, epochs, head: { lambda, marginWarmup } };
}

/** As it comes back from a file. */
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/**
 * Throws CHECKPOINT_MISMATCH, naming the first difference with both values.
 * @param path Of the checkpoint
 * @param steps That it has behind it
 */
export function expectSameRun(
  path: string,
  found: Identity,
  job: TrainJob,
  wanted: Identity,
  steps: number,
): void {
  const compare = (what: string, before: unknown, now: unknown, hint = '') => {
    if (!isDeepStrictEqual(before, now)) throw mismatch(path, what, before, now, hint);
  };
  compare('number of classes', found.classNames.length, wanted.classNames.length, HINT_ON_CLASSES);
  compare('classNames', found.classNames, wanted.classNames);
  compare('size [H, W, C] of the images', found.data.size, wanted.data.size);
  compare('number of training images', found.data.images, wanted.data.images);
  compare('SHA-256 of the labels', found.data.labels, wanted.data.labels, HINT_ON_DATA);
  compare('SHA-256 of the training images', found.data.pixels, wanted.data.pixels, HINT_ON_DATA);
  compare('model', found.model, wanted.model);
  for (const name of new Set([...Object.keys(found.options), ...Object.keys(wanted.options)])) {
    compare(name, found.options[name], wanted.options[name]);
  }
  expectSameRules(path, found.rules, wanted.rules, steps, stepsPerEpoch(job.batching));
}

/** Every step so far was taken with the very rate, λ and margin that it would be given now. */
function expectSameRules(
  path: string,
  found: StepRules,
  wanted: StepRules,
  steps: number,
  perEpoch: number,
): void {
  if (isDeepStrictEqual(found, wanted)) return;
  for (let step = 0; step < steps; step++) {
    const before = stepValues(found, step, perEpoch);
    const now = stepValues(wanted, step, perEpoch);
    if (isDeepStrictEqual(before, now)) continue;
    const [name, was, is] = differingRule(found, wanted);
    const hint =
      `With it the steps behind the checkpoint would have been others: step ${step + 1} had ${JSON.stringify(before)}, ` +
      `and would have ${JSON.stringify(now)}. A rule that does not depend on the length of the run can be continued`;
    throw mismatch(path, name, was, is, hint);
  }
}

function differingRule(found: StepRules, wanted: StepRules): [name: string, found: unknown, wanted: unknown] {
  const flat = ({ learningRate, epochs, head }: StepRules): Record<string, number | Schedule | unknown> => ({
    epochs,
    learningRate,
    ...head,
  });
  const before = flat(found);
  const now = flat(wanted);
  const name = Object.keys(now).find((key) => !isDeepStrictEqual(before[key], now[key]))!;
  return [name, before[name], now[name]];
}

const HINT_ON_CLASSES = 'resetHead: true keeps the network and begins with a new head';
const HINT_ON_DATA = 'Other data, or the same in another order, is another run';

function mismatch(
  path: string,
  option: string,
  found: unknown,
  expected: unknown,
  hint: string,
): MarginCoreError {
  return new MarginCoreError(
    'CHECKPOINT_MISMATCH',
    `${path} is of another run. ${option}: ${short(found)} there, ${short(expected)} now${hint && `. ${hint}`}`,
    { details: { path, option, found, expected } },
  );
}

const LONGEST = 100;

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'none';
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
