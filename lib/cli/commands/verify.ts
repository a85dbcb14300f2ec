import { checkPath } from '../../base/check.js';
import { text } from '../../base/notation.js';
import { number, option } from '../../base/optionTable.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import { jsonFlag, MACHINE_FLAGS, type MachineFlags, type OutputFlags, withModel } from '../modelFlags.js';
import { pairsLines, scorePairs } from '../verify/pairs.js';

const THRESHOLD = number('the cosine from which on both show the same; see margincore calibrate', {
  min: -1,
  max: 1,
});

const FLAGS: readonly FlagGroup[] = [
  { title: 'Decision', flags: flagsOf({ threshold: THRESHOLD }) },
  {
    title: 'Measures',
    flags: flagsOf({
      pairs: option("of the pairs in FILE, which is as LFW's pairs.txt, of pictures in FOLDER", checkPath, {
        notation: text('FILE'),
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
  folder: string;
  pairs?: string;
  threshold?: number;
}

export const verifyCommand: Command = {
  summary: 'say whether two pictures show the same',
  help: () =>
    [
      'usage: margincore verify MODEL A B [options]',
      '       margincore verify MODEL FOLDER --pairs FILE [options]',
      '',
      'Prints the cosine of the embeddings of two pictures and, with a threshold, whether both show the same. Of two folders',
      'the pictures are paired in the order of their names; one picture is compared with all of a folder.',
      '',
      'With --pairs, how well the model tells them apart: AUC, equal error rate, true accepts at rates of false ones, and the',
      'accuracy of each fold with the threshold of the others, as LFW has it.',
      describeFlags(FLAGS),
      '',
      'Example: margincore verify model.safetensors passport.jpg door.jpg --threshold 0.42',
      '         margincore verify model.safetensors lfw/ --pairs pairs.txt',
    ].join('\n'),

  run(argv) {
    const isOfPairs = argv.some((argument) => /^--pairs(=|$)/.test(argument));
    const words = isOfPairs ? ['model', 'folder'] : ['model', 'a', 'b'];
    const parsed = parseFlags(FLAGS, argv, words) as unknown as Parsed;
    const { model: path, a, b, folder, pairs: file, threshold, ...flags } = parsed;
    if (file !== undefined) {
      if (threshold !== undefined) THRESHOLD.check(threshold, 'threshold');
      return withModel(
        path,
        flags,
        (model, signal) => scorePairs(model, { folder, file, threshold }, signal),
        pairsLines,
      );
    }
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
