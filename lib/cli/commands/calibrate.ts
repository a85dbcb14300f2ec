import { number } from '../../base/optionTable.js';
import { classFolders } from '../../data/pictureFiles.js';
import { type Calibration, calibrateThreshold } from '../../metrics/verification.js';
import { allPairs, expectPairsOf } from '../../model/pairs.js';
import { count, percent } from '../../report/format.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import {
  jsonFlag,
  MACHINE_FLAGS,
  type MachineFlags,
  type OutputFlags,
  placeOf,
  withModel,
} from '../modelFlags.js';

const FAR = number('the share of pairs of different ones that may count as the same', {
  default: 0.001,
  min: 0,
  max: 1,
});

const FLAGS: readonly FlagGroup[] = [
  { title: 'Decision', flags: flagsOf({ far: FAR }) },
  MACHINE_FLAGS,
  { title: 'Output', flags: [jsonFlag()] },
];

interface Parsed extends MachineFlags, OutputFlags {
  model: string;
  folder: string;
  far?: number;
}

export const calibrateCommand: Command = {
  summary: 'find the cosine from which on two pictures show the same',
  help: () =>
    [
      'usage: margincore calibrate MODEL FOLDER [options]',
      '',
      'Compares all pairs of pictures in FOLDER, which has a folder for each person, say. None of them should have been trained',
      'on: of those a model is surer than of others. The threshold is for verify, enrol and identify.',
      describeFlags(FLAGS),
      '',
      'Example: margincore calibrate model.safetensors strangers/ --far 0.0001',
    ].join('\n'),

  run(argv) {
    const parsed = parseFlags(FLAGS, argv, ['model', 'folder']) as unknown as Parsed;
    const { model: path, folder, far = FAR.default, ...flags } = parsed;
    FAR.check(far, 'far');
    return withModel(
      path,
      flags,
      async (model, signal) => {
        const folders = await classFolders(folder);
        const labels = folders.flatMap(({ name, files }) => files.map(() => name));
        const pictures = folders.flatMap(({ files }) => files);
        expectPairsOf(pictures.length);
        const embeddings = await model.embed(pictures, { normalize: true, signal });
        const { cosines, isSame } = await allPairs(embeddings, labels, { ...placeOf(flags), signal });
        return calibrateThreshold(cosines, isSame, { far });
      },
      (found) => describe(found, far),
    );
  },
};

function describe({ threshold, far, tar, same, different }: Calibration, asked: number): string[] {
  const tooFew =
    asked > 0 && asked < 1 / different
      ? [
          `A rate of ${asked} needs more than ${count(different)} pairs of different ones: none of these is accepted, and how many of others would be is not known.`,
        ]
      : [];
  return [
    // All its digits: a rounded one may accept a pair that this one does not.
    `threshold ${threshold}`,
    `false accepts ${percent(far)} of ${count(different)} pairs of different ones`,
    `true accepts ${percent(tar)} of ${count(same)} pairs of the same`,
    ...tooFew,
  ];
}
