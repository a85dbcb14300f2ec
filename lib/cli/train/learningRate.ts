/** A schedule of the learning rate, said in flags. */
import { choice, type Given } from '../../base/optionTable.js';
import { DEFAULT_WARMUP, SCHEDULES, type Schedule, schedules } from '../../schedules/learningRate.js';
import { defaultLearningRate, LEARNING_RATES_TEXT } from '../../training/optimizers.js';
import { UsageError } from '../arguments.js';
import { flagsOf } from '../flags.js';

const { cosine, step, warmup } = SCHEDULES;

/** Of all schedules that can be said so: each has some of them. */
export const RATE_FLAGS = flagsOf(
  {
    base: { ...cosine.base, flag: 'learningRate', defaultText: LEARNING_RATES_TEXT },
    schedule: choice('how the rate goes on', ['constant', 'step', 'cosine'], { default: 'cosine' }),
    warmup: { ...warmup.length, defaultText: `${DEFAULT_WARMUP} for cosine, else 0` },
    min: { ...cosine.min, flag: 'minLearningRate', help: `cosine: ${cosine.min.help}` },
    milestones: { ...step.milestones, help: `step: ${step.milestones.help}` },
    gamma: { ...step.gamma, help: `step: ${step.gamma.help}` },
  },
  { to: 'learningRate.' },
);

export interface RateFlags {
  base?: number;
  schedule?: 'constant' | 'step' | 'cosine';
  warmup?: number;
  min?: number;
  milestones?: number[];
  gamma?: number;
}

/** @param others Options on which the rate depends where none is given: the optimizer, the head and its scale. */
export function learningRate(flags: RateFlags, others: Given): number | Schedule {
  const { base = defaultLearningRate(others), schedule = 'cosine', warmup, min, milestones, gamma } = flags;
  const onlyFor = (owner: string, flag: string, value: unknown) => {
    if (value !== undefined && schedule !== owner) throw new UsageError(`${flag} needs --schedule ${owner}`);
  };
  onlyFor('cosine', '--min-learning-rate', min);
  onlyFor('step', '--milestones', milestones);
  onlyFor('step', '--gamma', gamma);

  const warmed = (plain: Schedule) => (warmup ? schedules.warmup(plain, warmup) : plain);
  switch (schedule) {
    case 'constant':
      return warmed(schedules.constant(base));
    case 'step':
      if (milestones === undefined) throw new UsageError('--schedule step needs --milestones');
      return warmed(schedules.step({ base, milestones, ...(gamma !== undefined && { gamma }) }));
    case 'cosine':
      if (warmup === undefined && min === undefined) return base; // the API's own default, with its warm-up
      return schedules.cosine({ base, ...(min !== undefined && { min }), warmup: warmup ?? DEFAULT_WARMUP });
  }
}
