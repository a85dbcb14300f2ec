/** Notes for whoever sees no display: warnings of the process. */
import { warnOnce } from '../base/warn.js';
import type { Observer } from '../training/observer.js';
import type { RunNote } from '../training/runNote.js';

/** Nothing about what was asked for: these say how it is done, and stand in the result. */
const INFORMATION: readonly RunNote['code'][] = [
  'CPU_TAKEN',
  'IMAGES_STREAMED',
  'LAST_BATCH_JOINED',
  'RESUMED',
];

export const WARNINGS: Observer = {
  notice({ code, message }) {
    if (!INFORMATION.includes(code)) warnOnce(code, message);
  },
};
