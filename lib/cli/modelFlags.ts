/** What commands that use a saved model have in common. */
import { choice } from '../base/optionTable.js';
import { type Device, PLACEMENT_OPTIONS } from '../native/backends.js';
import { PRECISIONS, type Precision } from '../native/precision.js';
import type { FlagGroup } from './arguments.js';
import { flagsOf } from './flags.js';

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
