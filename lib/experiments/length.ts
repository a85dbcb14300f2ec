/** A recipe at another length than its own: the same in fewer steps, where the rate and λ have fallen as far at the same parts of it. */
import { isRecord } from '../base/check.js';
import { type Annealing, checkAnnealing } from '../schedules/annealing.js';
import type { Schedule } from '../schedules/learningRate.js';
import { resolveTrainOptions, type TrainOptions } from '../training/options.js';

export interface Length {
  readonly epochs?: number | undefined;
  readonly steps?: number | undefined;
}

/** Schedules that are fractions of a run follow by themselves. @param images That are trained on */
export function withLength(options: TrainOptions, { epochs, steps }: Length, images: number): TrainOptions {
  if (epochs === undefined && steps === undefined) return options;
  const own = resolveTrainOptions(options);
  const stepsPerEpoch = images / own.batchSize;
  const ratio = (steps ?? epochs! * stepsPerEpoch) / (own.steps ?? own.epochs * stepsPerEpoch);
  const { learningRate, lambda } = options as { learningRate?: unknown; lambda?: unknown };
  return {
    ...options,
    epochs,
    steps,
    ...(isSchedule(learningRate) && { learningRate: stretched(learningRate, ratio, stepsPerEpoch) }),
    ...(lambda !== undefined && { lambda: falling(checkAnnealing(lambda, 'lambda'), ratio) }),
  } as TrainOptions;
}

const isSchedule = (value: unknown): value is Schedule => isRecord(value) && 'type' in value;

/** Milestones are steps then: epochs may be too few to tell them apart. */
function stretched(schedule: Schedule, ratio: number, stepsPerEpoch: number): Schedule {
  if (typeof schedule === 'function') return schedule;
  if (schedule.type === 'warmup') {
    const { length } = schedule;
    return {
      ...schedule,
      schedule: stretched(schedule.schedule, ratio, stepsPerEpoch),
      length: length < 1 ? length : wholeSteps(length * ratio),
    };
  }
  if (schedule.type !== 'step') return schedule;
  const unit = schedule.unit === 'steps' ? 1 : stepsPerEpoch;
  const milestones = schedule.milestones.map((milestone) => wholeSteps(milestone * unit * ratio));
  return { ...schedule, milestones, unit: 'steps' };
}

const wholeSteps = (count: number) => Math.max(1, Math.round(count));

function falling(lambda: Annealing, ratio: number): Annealing {
  return typeof lambda === 'object' && 'gamma' in lambda
    ? { ...lambda, gamma: lambda.gamma / ratio }
    : lambda;
}
