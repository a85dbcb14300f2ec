/** What whoever wants data says of how it is to be loaded, and hears of how far that has come. */

import type { ImageSize } from './imageSize.js';
import type { Preprocessing } from './preprocessing.js';
import type { Dataset } from './types.js';

/** How far loading has come. */
export class LoadingProgress {
  /** 0…1, once pictures are read. */
  fraction: number | undefined;
}

/** How data is to be loaded, and who hears how far that has come. */
export interface Loading {
  /** Of the format, as somebody wrote them. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** [H, W, C] of a network that takes no others. */
  readonly input?: ImageSize;
  readonly preprocessing?: Preprocessing;
  readonly progress?: LoadingProgress;
  readonly signal?: AbortSignal | undefined;
}

const running = new WeakMap<object, LoadingProgress>();

/** The promise of `load`, of which `progressOf` tells how far it has come. */
export function tracked(load: (progress: LoadingProgress) => Promise<Dataset>): Promise<Dataset> {
  const progress = new LoadingProgress();
  const promise = load(progress);
  running.set(promise, progress);
  return promise;
}

/** Of data that is being loaded; otherwise of what will be. */
export function progressOf(data: unknown): LoadingProgress {
  const known = typeof data === 'object' && data !== null ? running.get(data) : undefined;
  return known ?? new LoadingProgress();
}
