/** From parsed flags to the options of `train()`: what a flat command line says is put together into objects. */

import type { Option, Variants } from '../../base/optionTable.js';
import { DISTRIBUTED, type DistributedOptions } from '../../distributed/options.js';
import { DEFAULT_OPTIMIZER, OPTIMIZERS, type OptimizerType } from '../../training/optimizers.js';
import type { RunOptions, TrainOptions } from '../../training/options.js';
import { SAMPLERS, type SamplerOptions } from '../../training/samplers/options.js';
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
  sampler?: SamplerOptions;
  learningRate?: RateFlags;
  distributed?: { together?: boolean } & DistributedOptions;
}

export async function trainOptions({
  data: path,
  dataOptions,
  model,
  optimizer,
  learningRate: rate,
  distributed,
  ...rest
}: ParsedFlags & Groups): Promise<TrainOptions> {
  if (dataOptions !== undefined && path === undefined) {
    throw new UsageError(`--${kebabCase(Object.keys(dataOptions)[0]!)} needs --data`);
  }
  const data = dataOption(path, dataOptions);
  const type = optimizer?.type ?? DEFAULT_OPTIMIZER;
  checkFlags('optimizer', OPTIMIZERS, { ...optimizer, type });
  checkFlags('sampler', SAMPLERS, { type: 'shuffled', ...(rest.sampler as object) });
  const options: RunOptions = {
    progress: true,
    ...rest,
    ...(distributed && { distributed: distributedOption(distributed) }),
    ...(optimizer && { optimizer: { ...optimizer, type } }),
    ...(rate && { learningRate: learningRate(rate, { ...rest, optimizer: type }) }),
  };
  if (model) return { ...options, ...(await networkOptions(model, data, rest.preprocessing)) };
  return { ...options, ...(data !== undefined && { data }) };
}

function distributedOption({
  together,
  ...how
}: NonNullable<Groups['distributed']>): boolean | DistributedOptions {
  if (together) return Object.keys(how).length === 0 ? true : how;
  const [name] = Object.keys(how) as (keyof typeof how)[];
  if (name === undefined) return false;
  const { flag = name }: Option = DISTRIBUTED[name];
  throw new UsageError(`--${kebabCase(flag)} needs --distributed`);
}

/** In the command line's own words: the API knows no flags. */
function checkFlags(
  option: string,
  variants: Variants,
  { type, ...values }: { readonly type: string } & Record<string, unknown>,
): void {
  for (const name of Object.keys(values)) {
    if (Object.hasOwn(variants[type]!, name)) continue;
    const owners = Object.entries(variants).filter(([, options]) => Object.hasOwn(options, name));
    const flag = owners[0]?.[1][name]?.flag ?? name;
    throw new UsageError(
      `--${kebabCase(flag)} needs --${option} ${owners.map(([owner]) => owner).join('|')}`,
    );
  }
}
