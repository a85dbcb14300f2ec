/** From parsed flags to the options of `train()`: what a flat command line says is put together into objects. */
import { type DataInput, datasets } from '../../data/index.js';
import { type Schedule, schedules } from '../../schedules/learningRate.js';
import { DEFAULT_LEARNING_RATE, type OptimizerType } from '../../training/optimizers.js';
import type { RunOptions, TrainOptions } from '../../training/options.js';
import { type ParsedFlags, UsageError } from '../arguments.js';
import { type ModelFlags, modelOptions } from './modelFlags.js';

/** The flags' groups that are not options of the API as they stand. */
interface Groups {
  data?: string;
  model?: ModelFlags;
  optimizer?: { type?: OptimizerType };
  learningRate?: RateFlags;
}

interface RateFlags {
  base?: number;
  schedule?: 'constant' | 'step' | 'cosine';
  warmup?: number;
  min?: number;
  milestones?: number[];
  gamma?: number;
}

export async function trainOptions({
  data,
  model,
  optimizer,
  learningRate,
  ...rest
}: ParsedFlags & Groups): Promise<TrainOptions> {
  const type = optimizer?.type ?? 'adam';
  const options: RunOptions = {
    progress: true,
    ...rest,
    ...(optimizer && { optimizer: { ...optimizer, type } }),
    ...(learningRate && { learningRate: rate(learningRate, DEFAULT_LEARNING_RATE[type]) }),
  };
  const named = data === undefined ? undefined : dataNamed(data);
  if (model) return { ...options, ...(await modelOptions(model, named)) };
  return { ...options, ...(named !== undefined && { data: named }) };
}

/** The API itself knows 'fashion-mnist' and folders by name. */
function dataNamed(data: string): string | Promise<DataInput> {
  return data === 'fashion-mnist-sample' ? datasets.fashionMnistSample() : data;
}

function rate(flags: RateFlags, defaultBase: number): number | Schedule {
  const { base = defaultBase, schedule = 'cosine', warmup, min, milestones, gamma } = flags;
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
      return schedules.cosine({ base, min: min ?? 0, warmup: warmup ?? 0.01 });
  }
}
