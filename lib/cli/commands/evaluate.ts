import { MarginCoreError } from '../../base/errors.js';
import { isDivided } from '../../data/formats/imageFolder.js';
import { resolveData } from '../../data/index.js';
import { classFolders, foldersIn } from '../../data/pictureFiles.js';
import type { Split } from '../../data/types.js';
import type { Model } from '../../model/model.js';
import { count, percent } from '../../report/format.js';
import { RUN_OPTION_GROUPS } from '../../training/options.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import { jsonFlag, MACHINE_FLAGS, type MachineFlags, type OutputFlags, withModel } from '../modelFlags.js';
import { expectSameClasses } from '../sameClasses.js';

const { data } = RUN_OPTION_GROUPS.data;

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Data',
    flags: flagsOf({
      data: {
        ...data,
        help: 'a data set, of which the test images are scored; or a folder with a folder of pictures for each class',
      },
    }),
  },
  MACHINE_FLAGS,
  {
    title: 'Output',
    flags: [jsonFlag('scores and confusion')],
  },
];

interface Parsed extends MachineFlags, OutputFlags {
  model: string;
  data?: string;
}

export const evaluateCommand: Command = {
  summary: 'score a saved model on test images',
  help: () =>
    [
      'usage: margincore evaluate MODEL [options]',
      '',
      'Scores a model that train --save wrote, or a checkpoint, on the test images of a data set.',
      describeFlags(FLAGS),
      '',
      'Example: margincore evaluate model.safetensors --data fashion-mnist',
    ].join('\n'),

  run(argv) {
    const parsed = parseFlags(FLAGS, argv, ['model']) as unknown as Parsed;
    const { model: path, data: given, ...flags } = parsed;
    return withModel(
      path,
      flags,
      async (model, signal) => {
        const { name, images, split } = await toScore(given, model);
        const evaluation = await model.evaluate(split, { confusion: flags.json !== undefined, signal });
        return { data: name, images, classNames: model.classNames, ...evaluation };
      },
      ({ accuracy, loss, images }) => [
        `test accuracy ${percent(accuracy)}, loss ${loss.toFixed(4)}, of ${count(images)} images`,
      ],
    );
  },
};

interface ToScore {
  readonly name: string;
  readonly images: number;
  readonly split: Split | string;
}

/** A data set's test images, or a folder of folders. */
async function toScore(given: string | undefined, model: Model): Promise<ToScore> {
  const folders = given === undefined ? [] : await foldersIn(given).catch(() => []);
  if (given !== undefined && folders.length > 0 && !isDivided(folders)) {
    const images = (await classFolders(given)).reduce((sum, { files }) => sum + files.length, 0);
    return { name: given, images, split: given };
  }
  const { test, name, classNames } = await resolveData(given, {
    input: model.input,
    preprocessing: model.preprocessing,
  });
  if (test === undefined) throw new MarginCoreError('INVALID_DATA', `${name} has no test images`);
  expectSameClasses(model.classNames, classNames);
  return { name, images: test.labels.length, split: test };
}
