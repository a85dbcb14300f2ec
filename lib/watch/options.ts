import { integer } from '../base/optionTable.js';

/** Where `watchRuns` serves its page. */
export interface WatchOptions {
  /** Of this machine, 0 for any that is free. Default: 6161, or the next that is free. */
  port?: number;
}

export const WATCH_OPTIONS = {
  port: integer('of this machine; 0 for any that is free', {
    ...{ min: 0, max: 65_535 },
    defaultText: '6161, or the next that is free',
  }),
} as const;
