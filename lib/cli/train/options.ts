/** From parsed flags to the options of `train()`: what a flat command line says is put together into objects. */

import { DEFAULT_OPTIMIZER, OPTIMIZERS, type OptimizerType } from '../../training/optimizers.js';
import type { RunOptions, TrainOptions } from '../../training/options.js';
import { type ParsedFlags, UsageError } from '../arguments.js';
import { dataOption } from '../data/flags.js';
import { kebabCase } from '../flags.js';
import { learningRate, type RateFlags } from './learningRate.js';
import { type NetworkFlags, networkOptions } from './network.js';

/** The flags' groups that are not options of the API as they stand. */
interface Groups {
  data?: string;
  dataOptions?: object;
  model?: NetworkFlags;
  optimizer?: { type?: OptimizerType };
  learningRate?: RateFlags;
}

export async function trainOptions({
  data: path,
  dataOptions,
  model,
  optimizer,
  learningRate: rate,
  ...rest
}: ParsedFlags & Groups): Promise<TrainOptions> {
  if (dataOptions !== undefined && path === undefined) {
    throw new UsageError(`--${kebabCase(Object.keys(dataOptions)[0]!)} needs --data`);
  }
  const data = dataOption(path, dataOptions);
  const type = optimizer?.type ?? DEFAULT_OPTIMIZER;
  checkOptimizerFlags(type, optimizer ?? {});
  const options: RunOptions = {
    progress: true,
    ...rest,
    ...(optimizer && { optimizer: { ...optimizer, type } }),
    ...(rate && { learningRate: learningRate(rate, { ...rest, optimizer: type }) }),
  };
  if (model) return { ...options, ...(await networkOptions(model, data, rest.preprocessing)) };
  return { ...options, ...(data !== undefined && { data }) };
}

/** In the command line's own words: the API knows no flags. */
function checkOptimizerFlags(
  type: OptimizerType,
  { type: _, ...flags }: object & { type?: OptimizerType },
): void {
  for (const name of Object.keys(flags)) {
    if (Object.hasOwn(OPTIMIZERS[type], name)) continue;
    const owners = Object.entries(OPTIMIZERS).filter(([, options]) => Object.hasOwn(options, name));
    throw new UsageError(
      `--${kebabCase(name)} needs --optimizer ${owners.map(([owner]) => owner).join('|')}`,
    );
  }
}
