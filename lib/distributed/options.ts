/** How several processes train together: what a user may say about it. */
import { checkObject } from '../base/check.js';
import { type Checked, checkOptions, choice, flag, number } from '../base/optionTable.js';
import { ENGINES } from './launcher.js';

const HEAD_PLACES = ['auto', 'replicated', 'sharded'] as const;

/** From here on the head is what a step costs. */
const MANY_CLASSES = 20_000;

/** How processes that a launcher has started train together. */
export interface DistributedOptions {
  /**
   * Where the class weights are. 'replicated': in all processes, each of which computes the whole head. 'sharded': each process has
   * those of a part of the classes, until training has ended, when all get all of them; what is exchanged of the head is then some
   * numbers per image, however many classes there are. Default 'auto': sharded from 20,000 classes on.
   */
  head?: (typeof HEAD_PLACES)[number];
  /**
   * Batch norm's statistics are those of the whole batch, as of one process, and not those of each process's own images: what many processes
   * with few images each need. Costs two small exchanges for each such layer. Default false.
   */
  syncBatchNorm?: boolean;
  /** What carries it. Default 'auto': whose launcher has started this process. */
  engine?: 'auto' | (typeof ENGINES)[number];
  /** Seconds that another process may be waited for: one that has died, or that has gone on to something else. Default 600. */
  timeoutSeconds?: number;
}

export const DISTRIBUTED = {
  head: choice('where the class weights are', HEAD_PLACES, { default: 'auto', flag: 'distributedHead' }),
  syncBatchNorm: flag("batch norm's statistics are those of the images of all processes", { default: false }),
  engine: choice('what carries it', ['auto', ...ENGINES], { default: 'auto', flag: 'distributedEngine' }),
  timeoutSeconds: number('seconds that another process may be waited for', {
    default: 600,
    above: 0,
    max: 1e6,
    flag: 'distributedTimeout',
  }),
} as const;

export type Distributed = Checked<typeof DISTRIBUTED>;

/** false: this process trains alone. */
export function checkDistributed(value: unknown, option: string): Distributed | false {
  if (value === false) return false;
  const given =
    value === true
      ? {}
      : checkObject(value, option, 'true, false or { head, syncBatchNorm, engine, timeoutSeconds }');
  return checkOptions(given, option, DISTRIBUTED);
}

/** Whether each process has the class weights of a part of so many classes. */
export const isSharded = ({ head }: Distributed, classes: number): boolean =>
  head === 'sharded' || (head === 'auto' && classes >= MANY_CLASSES);
