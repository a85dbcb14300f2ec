import { text } from '../../base/notation.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { describeMachine } from '../doctor/describeMachine.js';
import { examineMachine } from '../doctor/machine.js';
import { tryTraining } from '../doctor/trial.js';
import { prepareJson } from '../output.js';

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Options',
    flags: [
      {
        name: 'train',
        to: 'train',
        help: 'train ten steps on each backend as well, and compare their losses',
      },
      { name: 'json', to: 'json', value: text('FILE|-'), help: 'the report; - is standard output' },
    ],
  },
];

export const doctorCommand: Command = {
  summary: 'say what this machine has of what margincore needs',
  help: () =>
    [
      'usage: margincore doctor [options]',
      '',
      'Says whether margincore can train here and on what, and what to do where it cannot.',
      'Exit status 1: it cannot, or with --train: backends come to something else.',
      describeFlags(FLAGS),
    ].join('\n'),

  async run(argv) {
    const { json, train } = parseFlags(FLAGS, argv) as { json?: string; train?: boolean };
    const writeJson = json === undefined ? undefined : await prepareJson(json);
    const found = await examineMachine();
    const report = train ? { ...found, trials: await tryTraining(found.backends) } : found;
    await writeJson?.(report);
    if (json !== '-') console.log(describeMachine(report));
    return report.ready && (report.trials ?? []).every(({ passed }) => passed) ? 0 : 1;
  },
};
