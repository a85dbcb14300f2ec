import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { text } from '../flagValues.js';
import { prepareJson } from '../output.js';
import { describeDiagnosis } from './describeDiagnosis.js';
import { diagnose } from './diagnose.js';

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Options',
    flags: [{ name: 'json', to: 'json', value: text('FILE|-'), help: 'the report; - is standard output' }],
  },
];

export const doctorCommand: Command = {
  summary: 'say what this machine has of what margincore needs',
  help: () =>
    [
      'usage: margincore doctor [options]',
      '',
      'Says whether margincore can train here and on what, and what to do where it cannot.',
      'Exit status 1: it cannot.',
      describeFlags(FLAGS),
    ].join('\n'),

  async run(argv) {
    const { json } = parseFlags(FLAGS, argv) as { json?: string };
    const writeJson = json === undefined ? undefined : await prepareJson(json);
    const diagnosis = await diagnose();
    await writeJson?.(diagnosis);
    if (json !== '-') console.log(describeDiagnosis(diagnosis));
    return diagnosis.ready ? 0 : 1;
  },
};
