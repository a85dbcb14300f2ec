import { number } from '../../base/optionTable.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import { jsonFlag, MACHINE_FLAGS, type MachineFlags, type OutputFlags, withModel } from '../modelFlags.js';

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Decision',
    flags: flagsOf({
      threshold: number('the cosine from which on both show the same; see margincore calibrate', {
        min: -1,
        max: 1,
      }),
    }),
  },
  MACHINE_FLAGS,
  { title: 'Output', flags: [jsonFlag()] },
];

interface Parsed extends MachineFlags, OutputFlags {
  model: string;
  a: string;
  b: string;
  threshold?: number;
}

export const verifyCommand: Command = {
  summary: 'say whether two pictures show the same',
  help: () =>
    [
      'usage: margincore verify MODEL A B [options]',
      '',
      'Prints the cosine of the embeddings of two pictures and, with a threshold, whether both show the same. Of two folders',
      'the pictures are paired in the order of their names; one picture is compared with all of a folder.',
      describeFlags(FLAGS),
      '',
      'Example: margincore verify model.safetensors passport.jpg door.jpg --threshold 0.42',
    ].join('\n'),

  run(argv) {
    const parsed = parseFlags(FLAGS, argv, ['model', 'a', 'b']) as unknown as Parsed;
    const { model: path, a, b, threshold, ...flags } = parsed;
    return withModel(
      path,
      flags,
      (model, signal) => model.verify(a, b, { signal, ...(threshold !== undefined && { threshold }) }),
      ({ cosines, same, files }) =>
        Array.from(cosines, (cosine, pair) => {
          const decision = same === undefined ? '' : same[pair] ? ', the same' : ', different';
          return `${files![pair]!.join(' ')}: cosine ${cosine.toFixed(4)}${decision}`;
        }),
    );
  },
};
