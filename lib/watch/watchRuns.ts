/** Runs followed in a browser as they go on: a page on this machine, made of the event files below a folder. */
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { checkPath } from '../base/check.js';
import { checkOptions } from '../base/optionTable.js';
import { unreadable } from '../files/readBytes.js';
import { listen } from './listen.js';
import { WATCH_OPTIONS, type WatchOptions } from './options.js';
import { watchHandler } from './server.js';
import { WatchedRuns } from './watchedRuns.js';

/** A page that is being served. */
export interface Watch {
  /** Of the page; only this machine reaches it. */
  readonly url: string;
  /** Ends the server. */
  close(): Promise<void>;
}

/**
 * Serves a page of all runs below a folder, at 127.0.0.1 and, where the machine has it, at ::1. A run is a folder with event files, which
 * `train({ logDir })`, TensorFlow or PyTorch's SummaryWriter write; runs may begin, go on and end meanwhile. They are only read, and only while
 * somebody looks at the page.
 * @throws FILE_NOT_FOUND where the folder cannot be read; INVALID_OPTION, also for a port that is not free.
 */
export async function watchRuns(folder: string, options: WatchOptions = {}): Promise<Watch> {
  const { port } = checkOptions(options, undefined, WATCH_OPTIONS);
  const root = resolve(checkPath(folder, 'folder'));
  await readdir(root).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  const { port: chosen, close } = await listen(watchHandler(new WatchedRuns(root)), port);
  return { url: `http://127.0.0.1:${chosen}/`, close };
}
