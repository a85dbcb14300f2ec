/** How several processes train together: what a user may say about it. */
import { checkObject } from '../base/check.js';
import { type Checked, checkOptions, choice, number } from '../base/optionTable.js';
import { ENGINES } from './launcher.js';

export interface DistributedOptions {
  /** What carries it. Default 'auto': whose launcher has started this process. */
  engine?: 'auto' | (typeof ENGINES)[number];
  /** Seconds that another process may be waited for: one that has died, or that has gone on to something else. Default 600. */
  timeoutSeconds?: number;
}

export const DISTRIBUTED = {
  engine: choice('what carries it', ['auto', ...ENGINES], { default: 'auto' }),
  timeoutSeconds: number('that another process may be waited for', { default: 600, above: 0, max: 1e6 }),
} as const;

export type Distributed = Checked<typeof DISTRIBUTED>;

/** false: this process trains alone. */
export function checkDistributed(value: unknown, option: string): Distributed | false {
  if (value === false) return false;
  const given = value === true ? {} : checkObject(value, option, 'true, false or { engine, timeoutSeconds }');
  return checkOptions(given, option, DISTRIBUTED);
}
