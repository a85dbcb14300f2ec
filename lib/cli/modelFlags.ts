/** What commands that use a saved model have in common. */
import { text } from '../base/notation.js';
import { choice } from '../base/optionTable.js';
import { Model } from '../model/model.js';
import { type Device, PLACEMENT_OPTIONS } from '../native/backends.js';
import { PRECISIONS, type Precision } from '../native/precision.js';
import type { Flag, FlagGroup } from './arguments.js';
import { flagsOf } from './flags.js';
import { interruptible } from './interrupt.js';
import { prepareJson } from './output.js';

export const MACHINE_FLAGS: FlagGroup = {
  title: 'Machine',
  flags: flagsOf({
    ...PLACEMENT_OPTIONS,
    precision: choice("the network's arithmetic", PRECISIONS, { default: 'fp32' }),
  }),
};

export interface MachineFlags {
  device?: Device;
  threads?: number;
  precision?: Precision;
}

/** Where a command works, for what takes no precision. */
export function placeOf({ device, threads }: MachineFlags): { device?: Device; threads?: number } {
  return { ...(device !== undefined && { device }), ...(threads !== undefined && { threads }) };
}

export const jsonFlag = (help = 'the same as JSON'): Flag => ({
  name: 'json',
  to: 'json',
  value: text('FILE|-'),
  help: `${help}; - is standard output`,
});

/** What a command line said of where a command's result goes. */
export interface OutputFlags {
  json?: string;
}

/** Works with a model, and gives the result to --json and, unless that is standard output, shows its lines there. */
export function withModel<T extends object>(
  path: string,
  { json, ...machine }: MachineFlags & OutputFlags,
  work: (model: Model, signal: AbortSignal) => Promise<T>,
  lines: (result: T) => readonly string[],
): Promise<number> {
  return reporting(
    json,
    async (signal) => {
      using model = await Model.load(path, { ...machine, signal });
      return await work(model, signal);
    },
    lines,
  );
}

/** The same without a model. */
export async function reporting<T extends object>(
  json: string | undefined,
  work: (signal: AbortSignal) => Promise<T>,
  lines: (result: T) => readonly string[],
): Promise<number> {
  const writeJson = json === undefined ? undefined : await prepareJson(json);
  const result = await interruptible(work);
  await writeJson?.(result);
  if (json !== '-') for (const line of lines(result)) console.log(line);
  return 0;
}
