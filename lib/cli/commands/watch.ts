import { onAbort } from '../../base/abort.js';
import { WATCH_OPTIONS, type WatchOptions } from '../../watch/options.js';
import { watchRuns } from '../../watch/watchRuns.js';
import { describeFlags, type FlagGroup, type ParsedFlags, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import { interruptible } from '../interrupt.js';

const FLAGS: readonly FlagGroup[] = [{ title: 'Options', flags: flagsOf(WATCH_OPTIONS) }];

interface Parsed extends ParsedFlags, WatchOptions {
  dir: string;
}

export const watchCommand: Command = {
  summary: 'a page of runs while they go on, in a browser',
  help: () =>
    [
      'usage: margincore watch DIR [options]',
      '',
      'Serves a page of the runs below DIR, for this machine alone: what train --log-dir writes there, or any other event files of',
      "TensorBoard's. Ctrl-C or SIGTERM ends it, with exit status 0.",
      describeFlags(FLAGS),
      '',
      'Example: margincore watch runs',
    ].join('\n'),

  async run(argv) {
    const { dir, ...options } = parseFlags(FLAGS, argv, ['dir']) as Parsed;
    const { url, close } = await watchRuns(dir, options);
    console.log(`Runs in ${dir}: ${url}\nCtrl-C ends it`);
    await interruptible((signal) => new Promise<void>((resolve) => onAbort(signal, resolve)));
    await close();
    return 0;
  },
};
