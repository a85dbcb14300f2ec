/** Which run a checkpoint belongs to: what has to be the same for the next step to be the one that would have come. */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { MarginCoreError } from '../base/errors.js';
import { type Fingerprint, fingerprint } from '../data/fingerprint.js';
import type { RunLength } from './batching.js';
import type { TrainJob } from './job.js';
import type { TrainSettings } from './options.js';
import { drawsClassesAlike } from './samplers/options.js';
import { type StepRules, stepValues } from './stepValues.js';

/** Plain data, as JSON has it. */
export interface RunIdentity {
  readonly data: Fingerprint;
  /** Of images that are scored beside the others. */
  readonly validation?: Fingerprint;
  readonly classNames: readonly string[];
  /** Without its name */
  readonly model: unknown;
  /** Options by name, as they are in force, but for the rules. */
  readonly options: Readonly<Record<string, unknown>>;
  /** What gives each step its values, as far as JSON has it: for messages. */
  readonly rules: Rules;
}

/** At a step. */
export interface Identity extends RunIdentity {
  /** Hash of the values of all steps so far: other rules with the same values are the same run. */
  readonly steps: string;
}

/** Hash of what each step of a run is given: rate, λ, margin, and momentum where that moves. Goes on from step to step. */
export class StepsHash {
  readonly #hash = createHash('sha256');
  #steps = 0;

  constructor(
    private readonly rules: StepRules,
    private readonly length: RunLength,
  ) {}

  /** @param steps Not fewer than were asked for before */
  after(steps: number): string {
    for (; this.#steps < steps; this.#steps++) {
      const { learningRate, lambda, marginRamp, momentum } = stepValues(this.rules, this.#steps, this.length);
      const moving = momentum === undefined ? [] : [momentum];
      this.#hash.update(Float64Array.of(learningRate, lambda, marginRamp, ...moving));
    }
    return this.#hash.copy().digest('hex');
  }
}

/** Options of the head that are rules over the run. */
const RULES_OF_HEAD = ['lambda', 'marginWarmup'];

export async function identityOf(job: TrainJob): Promise<RunIdentity> {
  const { settings, classNames, train, validation, normalization, head } = job;
  const {
    batchSize,
    dropLast,
    shuffle,
    sampler,
    optimizer,
    clipGradients,
    sampleClasses = 1,
    ema,
    seed,
    precision,
    augment,
    freeze,
    layerLr,
    model,
    signal,
  } = settings;
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
    ...(dropLast && { dropLast }),
    ...(!shuffle && { shuffle }),
    ...(drawsClassesAlike(sampler) && { sampler }),
    ...(Object.keys(augment).length > 0 && { augment }),
    ...(clipGradients !== undefined && { clipGradients }),
    ...(sampleClasses < 1 && { sampleClasses }),
    ...(ema !== undefined && { ema }),
    ...(freeze.length > 0 && { freeze: [...freeze].sort() }),
    ...(Object.keys(layerLr).length > 0 && { layerLr }),
  };
  const data = await fingerprint(train, signal);
  const scored = validation && { validation: await fingerprint(validation, signal) };
  return plain({ data, ...scored, classNames, model: { layers, init }, options, rules: rulesOf(job) });
}

/** With the length of the run, which many rules depend on. */
type Rules = StepRules & Partial<Pick<TrainSettings, 'epochs' | 'steps'>>;

export function rulesOf({
  settings: { learningRate, epochs, steps },
  head: { lambda, marginWarmup },
}: TrainJob): Rules {
  return {
    ...{ learningRate, head: { lambda, marginWarmup } },
    ...(steps === undefined ? { epochs } : { steps }),
  };
}

/** As it comes back from a file. */
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/**
 * Throws CHECKPOINT_MISMATCH, naming the first difference with both values.
 * @param path Of the checkpoint
 * @param steps That it has behind it: asked for once batches are known to be the same, and before so many are gone through
 */
export function expectSameRun(
  path: string,
  found: Identity,
  job: TrainJob,
  wanted: RunIdentity,
  steps: () => number,
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
  compare(
    'SHA-256 of the validation labels',
    found.validation?.labels,
    wanted.validation?.labels,
    HINT_ON_DATA,
  );
  compare(
    'SHA-256 of the validation images',
    found.validation?.pixels,
    wanted.validation?.pixels,
    HINT_ON_DATA,
  );
  expectSameSteps(path, found, job, steps());
}

/** Every step so far was taken with the very rate, λ and margin that it would be given now. */
function expectSameSteps(path: string, found: Identity, job: TrainJob, steps: number): void {
  const wanted = rulesOf(job);
  if (new StepsHash(wanted, job.length).after(steps) !== found.steps) {
    const [name, was, is] = differingRule(found.rules, wanted);
    throw mismatch(path, name, was, is, HINT_ON_RULES);
  }
}

function differingRule(found: Rules, wanted: Rules): [name: string, found: unknown, wanted: unknown] {
  const flat = ({ head, ...rules }: Rules): Readonly<Record<string, unknown>> => ({
    epochs: rules.epochs,
    steps: rules.steps,
    learningRate: rules.learningRate,
    ...head,
  });
  const before = flat(found);
  const now = flat(plain(wanted));
  const name = Object.keys(now).find((key) => !isDeepStrictEqual(before[key], now[key])) ?? 'learningRate';
  return [name, before[name], now[name]];
}

const HINT_ON_RULES =
  'With it the steps behind the checkpoint would have been others. A rule that does not depend on the length of the run can be ' +
  'continued';
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
